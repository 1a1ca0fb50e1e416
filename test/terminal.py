# Runs a program on a terminal of its own and plays a person at it. stdin: a JSON object {argv, cwd, env, steps}; a step is
# [text to wait for, text to type]. stdout: a JSON object {code, output}. Without a step's text within 20 s it ends the program.
import json, os, pty, select, signal, struct, sys, fcntl, termios, time

play = json.load(sys.stdin)
pid, terminal = pty.fork()
if pid == 0:
    os.chdir(play["cwd"])
    os.execvpe(play["argv"][0], play["argv"], play["env"])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
output = b""


def read(deadline):
    """More output, or False at its end or after the deadline."""
    global output
    if not select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]:
        return False
    try:
        piece = os.read(terminal, 65536)
    except OSError:  # EIO: nobody has the terminal any more
        return False
    output += piece
    return piece != b""


seen = 0
for expected, typed in play["steps"]:
    deadline = time.monotonic() + 20
    wanted = expected.encode()
    at = output.find(wanted, seen)
    while at < 0:
        # What was searched is not searched again.
        begin = max(seen, len(output) - len(wanted))
        if not read(deadline):
            break
        at = output.find(wanted, begin)
    if at < 0:
        os.kill(pid, signal.SIGKILL)
        break
    seen = at + len(wanted)
    os.write(terminal, typed.encode())
deadline = time.monotonic() + 20
while read(deadline):
    pass
if time.monotonic() >= deadline:
    os.kill(pid, signal.SIGKILL)
status = os.waitpid(pid, 0)[1]
json.dump({"code": os.waitstatus_to_exitcode(status), "output": output.decode(errors="replace")}, sys.stdout)
