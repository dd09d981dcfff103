// In browser console
const socket = io('http://localhost:3000', {
  auth: { sessionId: 'test-session' }
});

socket.on('connect', () => console.log('Connected!'));
socket.emit('join_conversation', 'test-conv');
socket.emit('send_message', { conversationId: 'test-conv', content: 'Hello!' });
