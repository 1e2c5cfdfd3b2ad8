"""Files that the package writes: whole or not at all, through links, with their modes, by one writer at a time."""

import errno
import fcntl
import io
import os
import secrets
import signal
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress

import numpy as np
import pytest

import fastrbm as fr
from fastrbm._core import output

pytestmark = pytest.mark.skipif(os.name != "posix", reason="files of POSIX")
ROOT = os.name == "posix" and os.geteuid() == 0
OLD, NEW = fr.RBM(np.zeros((4, 3))), fr.RBM(np.ones((4, 3)))


def history(value):
    table = fr.History()
    table.record(epoch=value)
    return table


SAVERS = {
    ".npz": (lambda value, path: (OLD, NEW)[value].save(path), lambda path: int(fr.load(path).weights[0, 0])),
    ".csv": (lambda value, path: history(value).save(path), lambda path: fr.History.load(path)["epoch"][0]),
}


@pytest.fixture(params=SAVERS)
def kind(request):
    return request.param, *SAVERS[request.param]


def fails_with(number):
    def fail(*arguments, **options):
        raise OSError(number, os.strerror(number))

    return fail


def make_no_files(monkeypatch, number):
    """Have the system make no new files, which fails with this number."""
    original = os.open

    def opened(path, flags, *more):
        return fails_with(number)() if flags & os.O_CREAT else original(path, flags, *more)

    monkeypatch.setattr(os, "open", opened)


def run(*command):
    """Whether a program of the system worked."""
    with suppress(FileNotFoundError):
        return subprocess.run(command, capture_output=True).returncode == 0
    return False


@contextmanager
def mounted(place, *options):
    """A mount, where one may: as root, and not in every container."""
    if not ROOT or not run("mount", *options, str(place)):
        pytest.skip("no mounts here")
    try:
        yield place
    finally:
        run("umount", str(place))


# ---------------------------------------------------------------- what is replaced


def test_links_stay_and_what_they_lead_to_is_written(tmp_path, kind):
    end, save, read = kind
    (tmp_path / "a").mkdir()
    target, link, second = tmp_path / "a" / f"real{end}", tmp_path / f"link{end}", tmp_path / f"second{end}"
    link.symlink_to(os.path.join("a", target.name))
    second.symlink_to(link)
    save(0, second)  # the links lead nowhere yet
    assert read(target) == 0
    save(1, link)
    assert read(target) == 1 and link.is_symlink() and second.is_symlink() and not target.is_symlink()
    assert [p.name for p in (tmp_path / "a").iterdir()] == [target.name]


def test_a_loop_of_links_is_an_error_that_names_the_file(tmp_path, kind):
    end, save, _ = kind
    link = tmp_path / f"link{end}"
    link.symlink_to(link)
    with pytest.raises(OSError) as caught:
        save(0, link)
    assert caught.value.errno == errno.ELOOP and caught.value.filename == str(link)
    assert link.is_symlink()


def test_only_regular_files_are_replaced(tmp_path, kind):
    end, save, _ = kind
    fifo, folder, device = (tmp_path / f"{name}{end}" for name in ("fifo", "folder", "device"))
    os.mkfifo(fifo)
    folder.mkdir()
    places = [fifo, folder]
    if ROOT:
        with suppress(OSError):
            os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
            places.append(device)
    for place in places:
        before = place.stat()
        for attempt in (lambda p: save(0, p), output.check):
            with pytest.raises(OSError, match=r"not a regular file|Is a directory") as caught:
                attempt(place)
            assert caught.value.filename == str(place)
        after = place.stat()
        assert (before.st_ino, before.st_mode, before.st_rdev) == (after.st_ino, after.st_mode, after.st_rdev)
    if end == ".npz":
        with pytest.raises(OSError, match="not a regular file"):
            save(0, "/dev/null")
        assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("path", [3, None, b"m.npz", [], "a\0b.npz"])
def test_what_is_no_name_of_a_file(path):
    for name, attempt in (
        ("path", OLD.save),
        ("path", history(0).save),
        ("path", fr.History.load),
        ("checkpoint", lambda p: fr.fit(fr.RBM(np.zeros((4, 3))), np.eye(4), checkpoint=p or 0)),
    ):
        with pytest.raises((TypeError, ValueError), match=rf"{name} must (not hold a null|be a path)"):
            attempt(path)


def test_the_mode_of_a_file_is_kept_and_new_ones_go_by_the_umask(tmp_path, kind):
    end, save, read = kind
    path, before = tmp_path / f"x{end}", os.umask(0o027)
    try:
        save(0, path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        for mode in (0o600, 0o666, 0o444 if ROOT else 0o644):
            path.chmod(mode)
            save(1, path)
            assert stat.S_IMODE(path.stat().st_mode) == mode and read(path) == 1
    finally:
        os.umask(before)
    if ROOT:
        os.chown(path, 12345, 54321)
        save(0, path)
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


def test_the_temporary_file_is_new_has_a_name_nobody_knows_and_follows_no_link(tmp_path, monkeypatch):
    names, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (names.append(os.path.basename(a)), replace(a, b)))
    for _ in range(2):
        OLD.save(tmp_path / "m.npz")
    tokens = {name.split(".")[-2] for name in names}
    assert len(tokens) == 2 and all(len(token) == 16 for token in tokens)
    victim, planted = tmp_path / "victim", tmp_path / ".m.npz.known.part"
    victim.write_text("precious")
    planted.symlink_to(victim)
    monkeypatch.setattr(secrets, "token_hex", lambda n: "known")
    with pytest.raises(FileExistsError):
        NEW.save(tmp_path / "m.npz")
    assert victim.read_text() == "precious" and planted.is_symlink() and fr.load(tmp_path / "m.npz").weights[0, 0] == 0


def test_long_names(tmp_path, kind):
    end, save, read = kind
    path = tmp_path / ("x" * (255 - len(end)) + end)
    save(1, path)
    output.Lock(path).release()
    assert read(path) == 1 and len(list(tmp_path.iterdir())) == 1


# ---------------------------------------------------------------- what cannot be replaced


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EXDEV, errno.EPERM])
def test_what_cannot_be_replaced_is_written_in_place(tmp_path, kind, monkeypatch, number):
    """A file that Docker mounts, say. A new one has no place to be written in."""
    end, save, read = kind
    path, new = tmp_path / f"x{end}", tmp_path / f"new{end}"
    save(0, path)
    with open(path, "ab") as file:
        file.write(bytes(10_000))  # longer than what comes: its end must go
    before = path.stat().st_ino
    monkeypatch.setattr(os, "replace", fails_with(number))
    output.check(path)
    save(1, path)
    assert read(path) == 1 and path.stat().st_ino == before
    with pytest.raises(OSError) as caught:
        save(1, new)
    assert caught.value.errno == number and caught.value.filename == str(new)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EDQUOT, errno.ENOSPC])
def test_a_folder_that_takes_no_files(tmp_path, kind, monkeypatch, number):
    """A writable file in it is written in place; what is not there is refused, beforehand too."""
    end, save, read = kind
    path, new = tmp_path / f"x{end}", tmp_path / f"new{end}"
    save(0, path)
    make_no_files(monkeypatch, number)
    output.check(path)
    save(1, path)
    assert read(path) == 1
    for attempt in (lambda: save(1, new), lambda: output.check(new)):
        with pytest.raises(OSError) as caught:
            attempt()
        assert caught.value.errno == number and caught.value.filename == str(new)
    assert not new.exists()


def test_a_file_on_a_mount_of_its_own(tmp_path, kind):
    end, save, read = kind
    path, outside = tmp_path / f"x{end}", tmp_path / f"outside{end}"
    save(0, path)
    save(0, outside)
    with mounted(path, "--bind", str(outside)):
        output.check(path)
        save(1, path)
        assert read(path) == 1
        run("mount", "-o", "remount,ro,bind", str(path))
        with pytest.raises(OSError):
            output.check(path)  # beforehand, though its folder takes files
    assert read(path) == 0 and read(outside) == 1


def test_a_writable_file_in_a_folder_where_one_may_not_write(tmp_path, kind):
    end, save, read = kind
    folder = tmp_path / "closed"
    folder.mkdir()
    save(0, folder / f"x{end}")
    if ROOT:
        if not run("chattr", "+i", str(folder)):
            pytest.skip("root may write everywhere here")
    else:
        folder.chmod(0o500)
    try:
        output.check(folder / f"x{end}")
        save(1, folder / f"x{end}")
        with pytest.raises(PermissionError):
            output.check(folder / f"y{end}")
    finally:
        if ROOT:
            run("chattr", "-i", str(folder))
        folder.chmod(0o700)
    assert read(folder / f"x{end}") == 1


def test_a_full_disk_leaves_the_old_file(tmp_path):
    with mounted(tmp_path, "-t", "tmpfs", "-o", "size=64k", "tmpfs"):
        path = tmp_path / "m.npz"
        OLD.save(path)
        with pytest.raises(OSError) as caught:
            fr.RBM(np.zeros((200, 200))).save(path)  # 160 kB
        assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(path)
        assert fr.load(path).weights[0, 0] == 0 and [p.name for p in tmp_path.iterdir()] == ["m.npz"]
        with open(tmp_path / "rest", "wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(1024)):
                pass
        with pytest.raises(OSError) as caught:
            output.check(tmp_path / "other.npz")  # it could be made, but would stay empty
        assert caught.value.errno == errno.ENOSPC
        NEW.save(path)  # there is no room for two, but for the new one in place of the old
        assert fr.load(path).weights[0, 0] == 1


def test_room_that_could_not_be_made_is_given_back(tmp_path, monkeypatch):
    """Some systems make room by writing zeros, until the disk is full."""
    path, content = tmp_path / "m.npz", None
    OLD.save(path)
    content = path.read_bytes()

    def fallocate(descriptor, start, size):
        os.pwrite(descriptor, bytes(100), len(content))
        fails_with(errno.ENOSPC)()

    monkeypatch.setattr(os, "replace", fails_with(errno.EBUSY))
    monkeypatch.setattr(os, "posix_fallocate", fallocate, raising=False)
    with pytest.raises(OSError, match="No space"):
        fr.RBM(np.zeros((50, 50))).save(path)
    assert path.read_bytes() == content


def test_a_limit_on_the_size_of_files_leaves_the_old_file(tmp_path):
    path = tmp_path / "m.npz"
    OLD.save(path)
    program = f"""
import resource
import numpy as np, fastrbm as fr
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    fr.RBM(np.zeros((200, 200))).save({str(path)!r})
except OSError as error:
    print(error.filename)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == f"{path}\n", done.stderr
    assert fr.load(path).n_hidden == 3 and [p.name for p in tmp_path.iterdir()] == ["m.npz"]


# ---------------------------------------------------------------- Ctrl-C, threads


def test_ctrl_c_while_a_file_is_written(tmp_path, kind, monkeypatch):
    """The old file stays whole, and nothing else is left; one that is written in place is finished first."""
    end, save, read = kind
    path = tmp_path / f"x{end}"
    save(0, path)

    def interrupt(*arguments):
        raise KeyboardInterrupt

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, interrupt)
            with pytest.raises(KeyboardInterrupt):
                save(1, path)
        assert read(path) == 0 and [p.name for p in tmp_path.iterdir()] == [path.name]
    monkeypatch.setattr(os, "replace", fails_with(errno.EBUSY))
    original, calls = os.pwrite, []

    def half(descriptor, content, place):
        calls.append(len(content))
        if len(calls) == 1:
            original(descriptor, content[: len(content) // 2], place)
            raise KeyboardInterrupt
        return original(descriptor, content, place)

    monkeypatch.setattr(os, "pwrite", half)
    with pytest.raises(KeyboardInterrupt):
        save(1, path)
    assert len(calls) == 2 and read(path) == 1


def test_parts_that_the_system_writes_at_a_time(tmp_path, monkeypatch):
    """A write may take fewer bytes than it is given."""
    path, original = tmp_path / "m.npz", os.pwrite
    OLD.save(path)
    monkeypatch.setattr(os, "replace", fails_with(errno.EBUSY))
    monkeypatch.setattr(os, "pwrite", lambda d, content, place: original(d, content[:100], place))
    NEW.save(path)
    assert fr.load(path).weights[0, 0] == 1


def test_threads_save_to_one_path(tmp_path, kind):
    end, save, read = kind
    path, errors = tmp_path / f"x{end}", []

    def work():
        try:
            for k in range(25):
                save(k % 2, path)
                assert read(path) in (0, 1)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and [p.name for p in tmp_path.iterdir()] == [path.name]


# ---------------------------------------------------------------- trying, locks, what was left


def test_trying_changes_nothing(tmp_path):
    path = tmp_path / "m.npz"
    output.check(path)
    assert list(tmp_path.iterdir()) == []
    OLD.save(path)
    os.utime(path, ns=(10**18, 10**18))
    content = path.read_bytes()
    output.check(path)
    assert path.read_bytes() == content and path.stat().st_mtime_ns == 10**18
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]
    with pytest.raises(FileNotFoundError, match="no.m.npz"):
        output.check(tmp_path / "no" / "m.npz")


HOLDER = """
import sys, time
from fastrbm._core import output as _output
lock = _output.Lock(sys.argv[1])
print("held", flush=True)
time.sleep(600)
"""


def test_a_lock_is_held_against_all_and_ends_with_its_process(tmp_path):
    path = tmp_path / "c.npz"
    lock = output.Lock(path)
    with pytest.raises(BlockingIOError, match="another training that is still running") as caught:
        output.Lock(path)
    assert caught.value.filename == str(path)
    lock.release()
    lock.release()
    assert list(tmp_path.iterdir()) == []
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            (tmp_path / "link.npz").symlink_to(path)
            for name in (path, tmp_path / "link.npz"):
                with pytest.raises(BlockingIOError):
                    output.Lock(name)
        finally:
            holder.send_signal(signal.SIGKILL)
            holder.wait()
    output.Lock(path).release()
    assert [p.name for p in tmp_path.iterdir()] == ["link.npz"]


def test_a_forked_child_does_not_hold_its_parents_lock(tmp_path):
    path = tmp_path / "c.npz"
    lock, (reading, writing), (begun, begin) = output.Lock(path), os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.write(begin, b"x")
        os.read(reading, 1)  # until the parent is done
        os._exit(0)
    try:
        with pytest.raises(BlockingIOError):
            output.Lock(path)  # the child has closed its descriptor, or will: the parent's lock stays
        os.read(begun, 1)  # it has
        if os.path.exists(f"/proc/{child}/fd"):
            opened = [os.path.realpath(f"/proc/{child}/fd/{n}") for n in os.listdir(f"/proc/{child}/fd")]
            assert not any(name.endswith(".lock") for name in opened)
        lock.release()
        output.Lock(path).release()
    finally:
        for descriptor in (reading, writing, begun, begin):
            os.close(descriptor)
        os.waitpid(child, 0)


def test_a_lock_file_that_was_removed_meanwhile_is_not_trusted(tmp_path, monkeypatch):
    """Its holder removes it at the end: who opened it just before holds nothing that others see."""
    path, removed, original = tmp_path / "c.npz", [], fcntl.flock

    def flock(descriptor, operation):
        if not removed:
            removed.append((tmp_path / ".c.npz.lock").unlink())
        return original(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    lock = output.Lock(path)
    with pytest.raises(BlockingIOError):
        output.Lock(path)
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_without_locks_one_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", fails_with(errno.ENOLCK))
    first, second = output.Lock(tmp_path / "c.npz"), output.Lock(tmp_path / "c.npz")
    (tmp_path / ".c.npz.0123.part").write_bytes(b"")
    output.clean_up(tmp_path / "c.npz")  # it may be somebody's
    assert (tmp_path / ".c.npz.0123.part").exists()
    OLD.save(tmp_path / "c.npz")
    first.release()
    second.release()


def test_a_lock_where_the_folder_takes_no_files(tmp_path, monkeypatch):
    path = tmp_path / "c.npz"
    OLD.save(path)
    make_no_files(monkeypatch, errno.EROFS)
    lock = output.Lock(path)
    with pytest.raises(BlockingIOError):
        output.Lock(path)
    lock.release()
    output.Lock(path).release()
    assert path.exists()


def test_only_what_dead_processes_left_is_removed(tmp_path):
    path = tmp_path / "c.npz"
    names = ".c.npz.00.part", ".c.npz.01.part", ".d.npz.02.part", ".c.npz.77"
    dead, alive, other, old = (tmp_path / name for name in names)
    for left in (dead, alive, other, old):
        left.write_bytes(b"x")
    with open(alive, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        output.clean_up(path)
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in (alive, other, old))
    output.clean_up(path)
    assert not alive.exists()


def test_a_file_is_locked_while_it_is_written(tmp_path, monkeypatch):
    """So that clean_up of another process leaves it alone."""
    path, original = tmp_path / "m.npz", os.replace

    def replace(a, b):
        output.clean_up(path)
        original(a, b)

    monkeypatch.setattr(os, "replace", replace)
    NEW.save(path)
    assert fr.load(path).weights[0, 0] == 1


def test_an_archive_is_what_numpy_writes():
    arrays = {"a": np.arange(3), "b": np.ones((2, 2), np.float32)}
    with np.load(io.BytesIO(output.archive(**arrays))) as loaded:
        assert loaded.files == ["a", "b"]
        for name, array in arrays.items():
            assert loaded[name].dtype == array.dtype and np.array_equal(loaded[name], array)
