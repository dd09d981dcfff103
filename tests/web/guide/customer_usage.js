// Initialize (already included in chatbot-iframe.html)
const ws = new WidgetWebSocketHandler();
ws.connect(sessionId, apiUrl);

// Join conversation (automatic after loading history)
ws.joinConversation(conversationId);

// Send message
ws.sendMessage(messageText, (ack) => {
  if (ack.success) {
    console.log('Message sent!');
  }
});

// Listen for messages
ws.onMessageReceived((data) => {
  if (data.sender.userId !== currentUserId) {
    displayMessage(data.content);
  }
});

// Listen for typing
ws.onTypingIndicator((data) => {
  if (data.isTyping) {
    showTypingBubble(`${data.userName} is typing...`);
  } else {
    hideTypingBubble();
  }
});

// Send typing (automatic on input)
ws.sendTypingStart();
ws.sendTypingStop();

// Connection status
ws.onConnectionChange((state) => {
  updateConnectionBadge(state);
});
