"""Finds the peers that CMake does not build, and builds those that need it; asks no network."""
import functools
import glob
import os
import shutil
import subprocess

from house.trial import Broken, Skip

BUILD_SECONDS = 180
SERVERS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "servers")
# What the virtual machine is told beside its class path: 8,000 stacks of the default size, 1 MiB,
# would be a measurement of that default.
JAVA_OPTIONS = ["-Xss256k"]


def go_program(settings, source_dir, name):
    """The path of the Go program in `source_dir`, built if its source is newer."""
    program = os.path.join(settings.peers, name)
    if _stale(program, source_dir, "*.go"):
        go = _found("go", "go")
        # One directory is one program; the standard library is all it needs.
        cache = os.path.join(os.path.abspath(settings.peers), "go.cache")
        env = dict(os.environ, GO111MODULE="off", GOFLAGS="", GOPROXY="off", GOTOOLCHAIN="local",
                   CGO_ENABLED="0", GOCACHE=cache)
        _build(settings, [go, "build", "-o", os.path.abspath(program), "."], source_dir, env)
    return program


def java_classes(settings, source_dir):
    """The directory with the classes of `source_dir`, compiled if their source is newer."""
    _found("java", "java")
    classes = os.path.join(settings.peers, "java")
    if _stale(os.path.join(classes, "Server.class"), source_dir, "*.java"):
        javac = _found("javac", "javac")
        sources = sorted(glob.glob(os.path.join(source_dir, "*.java")))
        _build(settings, [javac, "-d", classes, *sources], None, None)
    return classes


@functools.lru_cache(maxsize=None)
def gevent_python():
    """A python3 that can import gevent."""
    for python in ("python3", "/usr/bin/python3"):
        path = shutil.which(python)
        if path and subprocess.run([path, "-c", "import gevent"], check=False,
                                   stderr=subprocess.DEVNULL).returncode == 0:
            return path
    raise Skip("gevent is not installed")


def go_server(settings):
    """The command of the server in Go, without its service and workers."""
    return [go_program(settings, os.path.join(SERVERS, "go"), "go_server")]


def gevent_server(_settings):
    """The command of the server with gevent, without its service and workers."""
    return [gevent_python(), os.path.join(SERVERS, "gevent", "server.py")]


def java_server(settings, workers):
    """The command of the server in Java, without its service and workers."""
    classes = java_classes(settings, os.path.join(SERVERS, "java"))
    return ["java", *JAVA_OPTIONS, f"-XX:ActiveProcessorCount={workers}", "-cp", classes, "Server"]


def _found(command, name):
    path = shutil.which(command)
    if not path:
        raise Skip(f"{name} is not installed")
    return path


def _stale(result, source_dir, pattern):
    if not os.path.exists(result):
        return True
    built = os.path.getmtime(result)
    sources = glob.glob(os.path.join(source_dir, pattern))
    return any(os.path.getmtime(source) > built for source in sources)


def _build(settings, command, directory, env):
    os.makedirs(settings.peers, exist_ok=True)
    try:
        done = subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True,
                              timeout=BUILD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Broken(f"{' '.join(command)} took longer than {BUILD_SECONDS} s") from None
    if done.returncode != 0:
        raise Broken(f"{' '.join(command)} failed: {done.stderr.strip() or done.stdout.strip()}")
