"""``make bench``: chatws beside stock python-socketio and Node's socket.io, under the same raw generator."""
