const socket = io(url, {
  reconnection: true,
  reconnectionDelay: 1000,     // Wait 1s before first retry
  reconnectionDelayMax: 5000,  // Max 5s between retries
  reconnectionAttempts: 5      // Try 5 times
});

socket.on('reconnect_attempt', (attempt) => {
  console.log(`Reconnecting... attempt ${attempt}`);
});

socket.on('reconnect', (attempt) => {
  console.log(`Reconnected after ${attempt} attempts`);
  // Rejoin conversations
  socket.emit('join_conversation', currentConversationId);
});

socket.on('reconnect_failed', () => {
  console.error('Failed to reconnect after max attempts');
  showError('Unable to reconnect. Please refresh the page.');
});
