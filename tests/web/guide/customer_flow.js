// 1. Initialize
const ws = new WidgetWebSocketHandler();
ws.connect(sessionId, apiUrl);

// 2. Wait for connection
ws.onConnectionChange((state) => {
  if (state === 'connected') {
    console.log('Ready to chat!');
  }
});

// 3. Load conversation and join room
const conversation = await fetchConversation(userId);
ws.joinConversation(conversation.id);

// 4. Setup message listener
ws.onMessageReceived((data) => {
  addMessageBubble(data.content, data.sender.role);
});

// 5. Send message
function sendMessage(text) {
  ws.sendMessage(text, (ack) => {
    if (ack.success) {
      addMessageBubble(text, 'user');
    }
  });
}

// 6. Handle typing
input.addEventListener('input', () => {
  ws.sendTypingStart();
  clearTimeout(typingTimeout);
  typingTimeout = setTimeout(() => {
    ws.sendTypingStop();
  }, 3000);
});
