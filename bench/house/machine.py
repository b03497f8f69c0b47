"""What the figures were measured on."""
import os
import platform
import subprocess


def _first_line(path, key):
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.startswith(key):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return "unknown"


def _version_of(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    text = (done.stdout or done.stderr).strip().splitlines()
    return text[0] if done.returncode == 0 and text else None


def describe():
    """A dictionary of texts, for the report."""
    versions = {"compiler": _version_of(["c++", "--version"]), "go": _version_of(["go", "version"]),
                "java": _version_of(["java", "-version"])}
    return {"cpus": f"{os.cpu_count()} x {_first_line('/proc/cpuinfo', 'model name')}",
            "memory": _first_line("/proc/meminfo", "MemTotal"),
            "kernel": platform.release(), "libc": " ".join(platform.libc_ver()),
            "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
            **{name: text for name, text in versions.items() if text}}


def busy_seconds():
    """CPU seconds that the machine has spent on programs and the kernel since it was started."""
    with open("/proc/stat", encoding="utf-8") as file:
        user, nice, system, _, _, irq, softirq = (int(word) for word in
                                                  file.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
