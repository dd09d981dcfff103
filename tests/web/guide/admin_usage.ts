import adminWebSocket from './services/websocket-client';

// Connect with JWT token
const token = localStorage.getItem('auth_token');
adminWebSocket.connect(token, 'http://localhost:3000');

// Join conversation
adminWebSocket.joinConversation('conversation-123');

// Send message
adminWebSocket.sendMessage('conversation-123', 'Hello customer!', (ack) => {
  if (ack.success) {
    console.log('Message sent');
  }
});

// Listen for messages
adminWebSocket.onMessageReceived((data) => {
  console.log('Received:', data.content);
  addMessageToUI(data);
});

// Listen for typing
adminWebSocket.onTypingIndicator((data) => {
  if (data.isTyping) {
    showTyping(`${data.userName} is typing...`);
  } else {
    hideTyping();
  }
});

// Send typing indicators
input.addEventListener('input', () => {
  adminWebSocket.sendTypingStart('conversation-123');
});

input.addEventListener('blur', () => {
  adminWebSocket.sendTypingStop('conversation-123');
});

// Connection status
adminWebSocket.onConnectionChange((state) => {
  updateStatus(state); // 'connected' | 'disconnected' | 'reconnecting'
});

// Cleanup on unmount
adminWebSocket.disconnect();
