"""Studies of Optuna that several processes work on, and that survive the death of any of them."""

import contextlib
import os
import socket
import time
import warnings
from datetime import datetime
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

SIGN_OF_LIFE = "sign_of_life"
IDENTITY = "begun_with"
ATTEMPTS = 8
SILENCE = 3600.0
"""Seconds without a finished epoch after which a trial of another machine counts as dead."""


def open_study(storage, name, *, sampler=None, pruner=None):
    """Open a study, or begin it.

    Parameters
    ----------
    storage : path-like, str, optuna.storages.BaseStorage or None
        A file, which becomes a journal that many processes may share; the URL of a database, such as
        "postgresql://user@host/name"; None for the memory of this process.
    name : str
        Name of the study in the storage.
    sampler, pruner : optuna.samplers.BaseSampler and optuna.pruners.BasePruner, default=None
        Those of Optuna where None.

    Returns
    -------
    optuna.study.Study
        Whose value is maximised.

    Raises
    ------
    ConnectionError
        If the storage cannot be reached.
    ValueError
        If the study is there and minimises.
    """
    settings = {"sampler": sampler, "pruner": pruner, "direction": "maximize", "load_if_exists": True}
    opened = as_storage(storage)
    try:
        with quiet():
            study = _created(storage=opened, study_name=name, **settings)
    except (optuna.exceptions.StorageInternalError, ImportError, OSError) as error:
        raise ConnectionError(f"the storage {storage} cannot be reached: {error!s:.300}") from error
    except Exception as error:
        if type(error).__module__.startswith("sqlalchemy"):
            raise ConnectionError(f"the storage {storage} cannot be reached: {error!s:.300}") from error
        raise
    if study.direction != optuna.study.StudyDirection.MAXIMIZE:
        raise ValueError(
            f"the study {name!r} of {storage} minimises, but scores are to be maximised: choose a new name"
        )
    return study


def _created(**settings):
    """Open a study; processes that begin together may find the tables of a new database half made."""
    for attempt in range(ATTEMPTS - 1):
        try:
            return optuna.create_study(**settings)
        except Exception as error:
            if not _is_half_made(error):
                raise
        time.sleep(0.1 * 2**attempt)
    return optuna.create_study(**settings)


def _is_half_made(error):
    words = ("already exists", "no such table", "UNIQUE constraint", "duplicate key", "database is locked")
    return any(word in str(error) for word in words)


def claim_study(study, identity, storage):
    """Note in a study what its trials are comparable by, or check it.

    Parameters
    ----------
    study : optuna.study.Study
        New, or begun earlier.
    identity : dict of str to str
        Hashes of what decides a score, by what it is.
    storage : object
        Where the study is kept, for messages.

    Raises
    ------
    ValueError
        If the study was begun with something else.
    """
    known = study.user_attrs.get(IDENTITY)
    if known is None:
        if study.get_trials(deepcopy=False):
            warnings.warn(
                f"the study {study.study_name!r} of {storage} does not tell what it was begun with", stacklevel=4
            )
        study.set_user_attr(IDENTITY, identity)
        return
    other = [name for name in identity if known.get(name) != identity[name]]
    if other:
        raise ValueError(
            f"the study {study.study_name!r} of {storage} was begun with other {' and '.join(other)}; its trials "
            "cannot be compared: choose another study_name or storage"
        )


def as_storage(storage):
    """Turn a path into a journal; leave URLs, storages and None as they are."""
    if not _is_path(storage):
        if not isinstance(storage, str | BaseStorage | None):
            raise TypeError(f"storage must be a path, a URL, a storage of Optuna or None, got {storage!r}")
        return storage
    check_journal(storage)
    return JournalStorage(JournalFileBackend(str(Path(storage))))


def check_journal(storage):
    """Check that a path is a journal, or can become one; whatever is no path passes.

    Parameters
    ----------
    storage : object
        As in `open_study`.

    Raises
    ------
    FileNotFoundError
        If its folder is not there.
    ValueError
        If it is something else.
    """
    if not _is_path(storage):
        return
    path = Path(storage)
    if path.is_dir():
        raise ValueError(f"{path} is a folder, but the journal of a study is a file: name one in it")
    if path.is_file() and not _begins_as_journal(path):
        raise ValueError(f"{path} is no journal of a study: name another file")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {path.parent} for the journal {path.name}: make it first")


def give_sign_of_life(trial):
    """Note in a trial who works on it, and when."""
    trial.set_user_attr(SIGN_OF_LIFE, [socket.gethostname(), os.getpid(), time.time()])


def fail_dead_trials(study):
    """Fail trials that nobody works on any more, for instance after a `kill -9`.

    A trial of this machine is dead when its process is; one of another machine after an hour without a sign of life.

    Parameters
    ----------
    study : optuna.study.Study
        Study.

    Returns
    -------
    list of int
        Numbers of the failed trials.
    """
    dead = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        started = trial.datetime_start or datetime.now()  # noqa: DTZ005 - Optuna's times are local
        host, pid, last = trial.user_attrs.get(SIGN_OF_LIFE, (None, None, started.timestamp()))
        gone = not _is_alive(pid) if host == socket.gethostname() else time.time() - last > SILENCE
        if gone:
            try:
                study.tell(trial.number, state=TrialState.FAIL)
            except (ValueError, optuna.exceptions.UpdateFinishedTrialError):  # another process was first
                continue
            dead.append(trial.number)
    return dead


@contextlib.contextmanager
def quiet():
    """Keep Optuna from printing a line for every study and trial, or the traceback of an error, in a with block."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


def n_begun(study):
    """Count the trials that are done or in work."""
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    return len(study.get_trials(deepcopy=False, states=states))


def _is_path(storage):
    return isinstance(storage, os.PathLike) or (isinstance(storage, str) and "://" not in storage)


def _begins_as_journal(path):
    begin = b'{"op_code"'  # of every line that Optuna writes; a kill may leave a part of it
    with path.open("rb") as file:
        return begin.startswith(file.read(len(begin)))


def _is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
