"""Program of a window of tmux: gives up its terminal to programs that are forked elsewhere, until the window closes.

The kernel makes a terminal the controlling one of a session only if it is that of no other session.
"""

import fcntl
import select
import signal
import sys
import termios

if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # otherwise the next line would end this process
    fcntl.ioctl(0, termios.TIOCNOTTY)
    sys.stdout.write("$")
    sys.stdout.flush()
    closed = select.poll()
    closed.register(0, 0)
    closed.poll()
