ws.onConnectionChange((state) => {
  if (state === 'disconnected') {
    // Show offline banner
    // Queue messages locally
    // Disable send button
  } else if (state === 'connected') {
    // Hide offline banner
    // Send queued messages
    // Enable send button
  }
});

socket.emit('send_message', data, (ack) => {
  if (!ack.success) {
    // Retry or show error
    retryMessage(data);
  }
});

// Component unmount
useEffect(() => {
  return () => {
    adminWebSocket.disconnect();
  };
}, []);

let typingTimeout;

input.addEventListener('input', () => {
  clearTimeout(typingTimeout);
  ws.sendTypingStart();
  
  typingTimeout = setTimeout(() => {
    ws.sendTypingStop();
  }, 3000); // Auto-stop after 3s
});
