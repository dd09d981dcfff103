// 1. Connect with JWT
const token = await login(email, password);
adminWebSocket.connect(token, API_URL);

// 2. Join conversation
adminWebSocket.joinConversation(selectedConversation.id);

// 3. Listen for incoming messages
adminWebSocket.onMessageReceived((data) => {
  appendMessage({
    id: generateId(),
    content: data.content,
    sender: data.sender.role,
    timestamp: data.timestamp
  });
  
  // Play notification sound
  playNotificationSound();
});

// 4. Send reply
function replyToCustomer(message) {
  adminWebSocket.sendMessage(
    selectedConversation.id,
    message,
    (ack) => {
      if (ack.success) {
        markMessageSent(message);
      } else {
        showError('Failed to send message');
      }
    }
  );
}

// 5. Handle typing
input.addEventListener('input', debounce(() => {
  adminWebSocket.sendTypingStart(selectedConversation.id);
}, 300));

input.addEventListener('blur', () => {
  adminWebSocket.sendTypingStop(selectedConversation.id);
});
