"""M2: watch a long-running assistant session and nudge it along.

The pieces, in the order in which a session uses them:

* :class:`OutputMonitor` notices that the session has gone quiet,
* :class:`FileWatcher` notices which files it touched,
* :class:`EventDetector` recognises what its output means,
* :class:`TaskQueue` holds what is to be done next,
* :class:`PromptGenerator` writes the next prompt,
* :class:`ResponseValidator` judges what came back.
"""

from m2.event_detector import DetectedEvent, EventDetector
from m2.file_watcher import ChangeKind, FileChange, FileWatcher
from m2.output_monitor import OutputMonitor, SilenceEvent
from m2.prompt_generator import MissingVariable, Prompt, PromptGenerator, UnknownTemplate
from m2.response_validator import Issue, ResponseValidator, ValidationResult
from m2.task_queue import Lease, LeaseExpired, Task, TaskQueue

__all__ = [
    "ChangeKind",
    "DetectedEvent",
    "EventDetector",
    "FileChange",
    "FileWatcher",
    "Issue",
    "Lease",
    "LeaseExpired",
    "MissingVariable",
    "OutputMonitor",
    "Prompt",
    "PromptGenerator",
    "ResponseValidator",
    "SilenceEvent",
    "Task",
    "TaskQueue",
    "UnknownTemplate",
    "ValidationResult",
]
