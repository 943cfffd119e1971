"""Makes the image of the Dockerfile and starts it, on a machine without a container engine.

What the build stage runs is run as plain shell, with /build, /image and /state below one directory. The binary is
started by chroot in what the last stage copies, in a mount namespace of its own: as the stage's user, the root read-only
and empty but for what was copied, a tmpfs as the volume, the environment of the stage alone. It must deliver an event,
pass the image's health check, and end in time on SIGTERM.

    container.py DOCKERFILE TARGET_DIR

It needs root, and util-linux and coreutils for unshare, nsenter and chroot.
"""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

# How long `docker stop` waits for the end.
STOP = 10
# How long anything else may take.
LONG = 30
TOPIC = "/topic/InvoiceStatementUpdates"


def instructions(path):
    """The instructions of a Dockerfile, one list for each stage."""
    with open(path) as file:
        text = "".join(line for line in file if not line.lstrip().startswith("#"))
    stages = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.strip():
            name, rest = line.strip().split(None, 1)
            if name == "FROM":
                stages.append([])
            stages[-1].append((name, rest))
    return stages


def build(stage, root, target):
    """Runs a stage below `root`; what cargo builds is kept in `target`."""
    place = root
    for name, rest in stage:
        if name == "WORKDIR":
            place = root + rest
            os.makedirs(place)
            os.symlink(target, os.path.join(place, "target"))
        elif name == "COPY":
            *sources, destination = rest.split()
            for source in sources:
                into = os.path.join(place, destination)
                if os.path.isdir(source):
                    shutil.copytree(source, into, ignore=shutil.ignore_patterns("node_modules", ".venv", "target"))
                else:
                    shutil.copy(source, into)
        elif name == "RUN":
            command = re.sub(r"(?<=\s)/(image|state)(?=/)", root + r"/\1", rest)
            print("RUN", command, flush=True)
            subprocess.run(["sh", "-ec", command], cwd=place, check=True)


def assemble(stage, root):
    """What the last stage makes: its files, below `root`/final, and its settings."""
    final, settings = os.path.join(root, "final"), {"ENV": {}}
    os.mkdir(final)
    for name, rest in stage:
        if name == "COPY":
            words = rest.split()
            owner = [word.split("=")[1] for word in words if word.startswith("--chown=")]
            source, destination = words[-2:]
            into = final + destination
            os.makedirs(into, exist_ok=True)
            copied = os.listdir(root + source)
            subprocess.run(["cp", "-a", root + source + ".", into], check=True)
            for entry in copied if owner else []:
                subprocess.run(["chown", "-R", owner[0], os.path.join(into, entry)], check=True)
        elif name == "ENV":
            settings["ENV"].update([rest.split("=", 1)])
        elif name == "HEALTHCHECK":
            settings[name] = json.loads(rest.split("CMD", 1)[1])
        elif name in ("ENTRYPOINT", "CMD"):
            settings[name] = json.loads(rest)
        else:
            settings[name] = rest
    return final, settings


def confined(final, settings, command):
    """A command line within the image."""
    return ["chroot", f"--userspec={settings['USER']}", final, *command]


def start(final, settings, more):
    """Starts the image as an engine would."""
    volume = final + settings["VOLUME"]
    owner, group = settings["USER"].split(":")
    mounts = (
        f"mount --bind {final} {final} && mount -o remount,ro,bind {final} && "
        f"mount -t tmpfs -o mode=0750,uid={owner},gid={group} tmpfs {volume} && exec \"$@\""
    )
    command = confined(final, settings, settings["ENTRYPOINT"] + settings["CMD"])
    environment = {"PATH": os.environ["PATH"], **settings["ENV"], **more}
    return subprocess.Popen(
        ["unshare", "--mount", "sh", "-ec", mounts, "sh", *command],
        env=environment, stdout=subprocess.PIPE, stderr=open(final + ".log", "w"), text=True,
    )


def inside(process, command, environment):
    """Runs a command in the mount namespace of a process."""
    whole = ["nsenter", f"--target={process.pid}", "--mount", *command]
    return subprocess.run(whole, env=environment, capture_output=True, text=True, timeout=LONG)


def until(what, probe):
    """What `probe` gives as soon as it gives something."""
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        if found := probe():
            return found
        time.sleep(0.05)
    raise SystemExit(f"not within {LONG} s: {what}")


def line_of(stream):
    """The next line, within a time."""
    if not select.select([stream], [], [], LONG)[0]:
        raise SystemExit(f"no line within {LONG} s")
    return stream.readline()


def post(origin, what, body):
    """Asks the emulator for something."""
    data = json.dumps(body).encode()
    return json.load(urllib.request.urlopen(f"{origin}/_emulator/{what}", data, timeout=LONG))


def check(final, settings, binary):
    """Starts, uses and ends the image."""
    server = [binary, "emulator", "--listen", "127.0.0.1:0", "--quiet"]
    emulator = subprocess.Popen(server, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    process = None
    try:
        url = line_of(emulator.stdout).strip()
        origin = url[: url.index("/", 8)] if "/" in url[8:] else url
        more = {"COMETAIL_URL": f"{origin}/cometd/61.0", "COMETAIL_CHANNELS": TOPIC, "NO_PROXY": "*"}
        environment = {"PATH": os.environ["PATH"], **settings["ENV"], **more}
        process = start(final, settings, more)
        health = confined(final, settings, settings["HEALTHCHECK"])
        until("good health", lambda: inside(process, health, environment).returncode == 0)
        touched = inside(process, ["touch", final + "/x"], environment)
        assert "Read-only file system" in touched.stderr, touched
        status = open(f"/proc/{process.pid}/status").read()
        assert re.search(r"^Uid:\t65532\t65532\t65532", status, re.M), status
        assert re.search(r"^CapEff:\t0+$", status, re.M), status
        post(origin, "publish", {"channel": TOPIC, "data": {"sobject": {"n": 7}}})
        event = json.loads(line_of(process.stdout))
        assert event["data"]["sobject"]["n"] == 7, event
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=STOP)
        took = time.monotonic() - begun
        assert code == 0, code
        print(f"the image delivered an event, was healthy as user 65532 with a read-only root, and ended in {took:.2f} s")
    except BaseException:
        print(open(final + ".log").read() if os.path.exists(final + ".log") else "nothing was started")
        raise
    finally:
        for one in filter(None, (process, emulator)):
            if one.poll() is None:
                one.kill()
            one.wait()


def main(dockerfile, target):
    """Makes and checks the image."""
    stages = instructions(dockerfile)
    os.makedirs(target, exist_ok=True)
    root = tempfile.mkdtemp(prefix="cometail-image-")
    # The image's user walks through it.
    os.chmod(root, 0o755)
    try:
        build(stages[0], root, os.path.abspath(target))
        final, settings = assemble(stages[-1], root)
        binary = final + settings["ENTRYPOINT"][0]
        linked = subprocess.run(["readelf", "-lW", binary], capture_output=True, text=True, check=True).stdout
        assert "INTERP" not in linked, "the binary wants a loader: it is not static"
        files = [os.path.relpath(os.path.join(at, name), final) for at, _, names in os.walk(final) for name in names]
        print(f"the image has {', '.join(sorted(files))}: {os.path.getsize(binary) >> 10} KiB of binary")
        check(final, settings, binary)
    finally:
        shutil.rmtree(root, ignore_errors=True)


main(*sys.argv[1:])
