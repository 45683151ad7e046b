"""All keys in memory, found by their digest: asking who calls costs no SQL, nor does a flood of wrong keys."""

from dataclasses import dataclass, field

from haze_proxy.store.changes import KeyChange
from haze_proxy.store.keys import Key


@dataclass(slots=True)
class Keyring:
    """Digest -> key, for every key that is not revoked. `disabled` are the accounts whose requests are refused."""

    keys: dict[bytes, Key] = field(default_factory=dict)
    digests: dict[int, bytes] = field(default_factory=dict)
    disabled: set[int] = field(default_factory=set)

    def find(self, digest: bytes) -> Key | None:
        """The live key of a digest, or None: unknown and revoked keys look the same."""
        return self.keys.get(digest)

    def change(self, change: KeyChange) -> None:
        """Take over a key as the store has it now. A rotated key has another digest: the old one is forgotten."""
        before = self.digests.pop(change.key.id, None)
        if before is not None:
            self.keys.pop(before, None)
        if change.key.revoked_at is None:
            self.keys[change.digest] = change.key
            self.digests[change.key.id] = change.digest
        mark = self.disabled.add if change.account_disabled else self.disabled.discard
        mark(change.key.account_id)
