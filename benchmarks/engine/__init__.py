"""Benchmark of chatws, python-socketio and Node's socket.io under the same load."""
