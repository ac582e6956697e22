"""A repository of signed models for `seehear models pull`: static files that any web server serves (docs/model-store.md).

```
REPOSITORY/metadata/N.root.json, N.targets.json, N.snapshot.json    never change once they are there
REPOSITORY/metadata/timestamp.json                                  names the newest of them; replaced last
REPOSITORY/targets/SHA256.NAME.seehear                              never change
KEYS/ROLE.KEYID.pem                                                 PKCS8; a role's key is the one that the root names
```
Files are written in the order in which they come to be named, so whatever is interrupted leaves a repository that is whole.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from seehear.bundle import MAX_BUNDLE_BYTES, Bundle, find_model, load, pulled
from seehear.errors import BundleError, InputError, MissingExtraError, install
from seehear.files import write_atomically

try:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        KeySerializationEncryption,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )
    from securesystemslib.signer import CryptoSigner
    from tuf.api.exceptions import RepositoryError
    from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
except ModuleNotFoundError as error:
    raise MissingExtraError(f"publishing models needs more packages ({error}): {install('store')}") from error

ROLES = ("root", "targets", "snapshot", "timestamp")

#: Days until what a role signs expires. Short for what a server renews by itself, long for what people sign.
EXPIRES: Mapping[str, int] = {"root": 365, "targets": 90, "snapshot": 30, "timestamp": 7}


class Repository:
    """A repository that is being changed.

    Parameters
    ----------
    folder : of the repository; made if it is not there.
    keys : folder of the private keys; those that are lacking are made with a new repository.
    passphrase : the keys are encrypted with; None for none.
    expires : role -> days, where not `EXPIRES`.
    now : what counts as today.
    """

    def __init__(
        self, folder: Path, keys: Path, passphrase: bytes | None = None, expires: Mapping[str, int] | None = None,
        now: datetime | None = None,
    ) -> None:  # fmt: skip
        self._metadata, self._targets, self._keys = folder / "metadata", folder / "targets", keys
        self._passphrase = passphrase
        self._days = {**EXPIRES, **(expires or {})}
        if self._days.keys() != EXPIRES.keys() or min(self._days.values()) < 1:
            raise InputError(f"expires: expected days, at least 1, of {', '.join(ROLES)}, got {expires}")
        self._now = (now or datetime.now(timezone.utc)).replace(microsecond=0)
        for path in (self._metadata, self._targets):
            path.mkdir(parents=True, exist_ok=True)
        self._versions: dict[str, int] = {}
        self._root = self._newest_root() or self._first_root()
        self._signed: dict[str, Metadata[Any] | None] = {role: self._read(role) for role in ROLES[1:]}

    # --- what is published ---

    def add(self, bundle: str | os.PathLike[str]) -> Bundle:
        """Sign a bundle; one of the same name, if there is one, is replaced by it.

        Returns
        -------
        Bundle
        """
        path = find_model(bundle)
        loaded = load(path, kind=None)
        name = pulled.check_name(str(loaded.manifest["name"]))
        content = path.read_bytes()
        if len(content) > MAX_BUNDLE_BYTES:
            raise BundleError(f"{path}: expected at most {MAX_BUNDLE_BYTES} bytes, got {len(content)}")
        file = TargetFile.from_data(name + pulled.SUFFIX, content, ["sha256"])
        file.unrecognized_fields["custom"] = {"version": loaded.manifest["version"], "kind": loaded.kind}
        write_atomically(self._targets / f"{file.hashes['sha256']}.{file.path}", content)
        self._change("targets").targets[file.path] = file
        return loaded

    def withdraw(self, name: str) -> None:
        """Take a model out of what is signed; its file stays until you remove it."""
        if self._change("targets").targets.pop(name + pulled.SUFFIX, None) is None:
            raise InputError(f"{name}: is not published")

    def rotate(self, role: str) -> None:
        """Give a role a new key; the old one signs no more. The key file of the old one may be deleted afterwards."""
        new = self._new_key(role)
        root = deepcopy(self._root)
        old = self._signers("root", root.signed)
        for keyid in list(root.signed.roles[role].keyids):
            root.signed.revoke_key(keyid, role)
        root.signed.add_key(new.public_key, role)
        self._write_root(root, old)

    def publish(self) -> dict[str, Any]:
        """Sign and write what changed, is about to expire, or is signed with a key of before; always the timestamp.

        Returns
        -------
        dict
            models, versions and expiry of every role, and the root file that devices begin with.
        """
        if self._renew(self._root.signed) and self._has_key("root"):
            root = deepcopy(self._root)
            self._write_root(root, self._signers("root", root.signed))
        targets = self._sign("targets")
        snapshot = self._signed["snapshot"]
        if snapshot is None or snapshot.signed.meta["targets.json"].version != targets.version:
            self._change("snapshot").meta["targets.json"] = MetaFile(targets.version)
        named = self._sign("snapshot")
        self._change("timestamp").snapshot_meta = MetaFile(named.version)
        self._sign("timestamp")
        return {
            "models": {
                path.removesuffix(pulled.SUFFIX): file.unrecognized_fields["custom"]["version"]
                for path, file in sorted(targets.targets.items())
            },
            "roles": {
                role: {"version": signed.version, "expires": signed.expires.date().isoformat()}
                for role, signed in [
                    ("root", self._root.signed),
                    *((r, self._checked(r).signed) for r in ROLES[1:]),
                ]
            },
            "root": str(self._metadata / f"{self._root.signed.version}.root.json"),
        }

    # --- roles ---

    def _change(self, role: str) -> Any:
        """What a role says, to be changed; it is signed anew by `publish`."""
        metadata = self._signed[role]
        if metadata is None:
            metadata = Metadata({"targets": Targets, "snapshot": Snapshot, "timestamp": Timestamp}[role]())
            metadata.signed.version = 0
            self._signed[role] = metadata
        self._versions.setdefault(role, metadata.signed.version + 1)
        return metadata.signed

    def _sign(self, role: str) -> Any:
        metadata = self._signed[role]
        stale = metadata is None or not self._trusts(role, metadata)
        if stale or (metadata is not None and self._renew(metadata.signed) and self._has_key(role)):
            self._change(role)
        metadata = self._checked(role)
        if role not in self._versions:
            return metadata.signed
        metadata.signed.version = self._versions[role]
        metadata.signed.expires = self._now + timedelta(days=self._days[role])
        metadata.signatures.clear()
        for signer in self._signers(role, self._root.signed):
            metadata.sign(signer, append=True)
        self._write(f"{'' if role == 'timestamp' else f'{metadata.signed.version}.'}{role}.json", metadata)
        return metadata.signed

    def _checked(self, role: str) -> Metadata[Any]:
        metadata = self._signed[role]
        assert metadata is not None
        return metadata

    def _renew(self, signed: Any) -> bool:
        """True in the second half of its time."""
        return bool(signed.expires - self._now < timedelta(days=self._days[signed.type]) / 2)

    def _trusts(self, role: str, metadata: Metadata[Any]) -> bool:
        try:
            self._root.signed.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
        except RepositoryError:
            return False
        return True

    # --- root ---

    def _newest_root(self) -> Metadata[Root] | None:
        versions = [int(path.name.split(".")[0]) for path in self._metadata.glob("*.root.json")]
        return self._metadata_of(f"{max(versions)}.root.json") if versions else None

    def _first_root(self) -> Metadata[Root]:
        root = Metadata(Root(consistent_snapshot=True))
        root.signed.version = 0
        for role in ROLES:
            root.signed.add_key(self._new_key(role).public_key, role)
        self._write_root(root, [])
        return root

    def _write_root(self, root: Metadata[Root], old: Sequence[CryptoSigner]) -> None:
        """Signed with the key of before, which is how devices come to trust it, and with its own."""
        root.signed.version += 1
        root.signed.expires = self._now + timedelta(days=self._days["root"])
        root.signatures.clear()
        signers = {each.public_key.keyid: each for each in [*old, *self._signers("root", root.signed)]}
        for signer in signers.values():
            root.sign(signer, append=True)
        self._write(f"{root.signed.version}.root.json", root)
        self._root = root

    # --- keys ---

    def _new_key(self, role: str) -> CryptoSigner:
        """A key in a file; nothing is signed with it until a root names it."""
        private = Ed25519PrivateKey.generate()
        signer = CryptoSigner(private)
        how: KeySerializationEncryption = NoEncryption()
        if self._passphrase is not None:
            how = BestAvailableEncryption(self._passphrase)
        self._keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._keys / f"{role}.{signer.public_key.keyid[:12]}.pem"
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))
            file.flush()
            os.fsync(handle)
        return signer

    def _key_files(self, role: str, root: Root) -> list[tuple[str, Path]]:
        named = ((keyid, self._keys / f"{role}.{keyid[:12]}.pem") for keyid in root.roles[role].keyids)
        return [(keyid, path) for keyid, path in named if path.is_file()]

    def _has_key(self, role: str) -> bool:
        return bool(self._key_files(role, self._root.signed))

    def _signers(self, role: str, root: Root) -> list[CryptoSigner]:
        signers = []
        for keyid, path in self._key_files(role, root):
            try:
                private = load_pem_private_key(path.read_bytes(), self._passphrase)
                signers.append(CryptoSigner(private, root.keys[keyid]))  # type: ignore[arg-type]
            except (TypeError, ValueError) as error:
                raise InputError(f"{path}: cannot be read with this passphrase, or is no key") from error
        if len(signers) < root.roles[role].threshold:
            wanted = ", ".join(f"{role}.{keyid[:12]}.pem" for keyid in root.roles[role].keyids)
            raise InputError(f"{self._keys}: expected the key of the role {role}: {wanted}")
        return signers

    # --- files ---

    def _read(self, role: str) -> Metadata[Any] | None:
        """What counts: what the timestamp names. Files with higher numbers are left from an interrupted run."""
        if not (self._metadata / "timestamp.json").exists():
            return None
        timestamp = self._metadata_of("timestamp.json")
        if role == "timestamp":
            return timestamp
        snapshot = self._metadata_of(f"{timestamp.signed.snapshot_meta.version}.snapshot.json")
        if role == "snapshot":
            return snapshot
        return self._metadata_of(f"{snapshot.signed.meta['targets.json'].version}.targets.json")

    def _metadata_of(self, name: str) -> Metadata[Any]:
        try:
            return Metadata.from_file(str(self._metadata / name))
        except (RepositoryError, OSError) as error:
            raise InputError(f"{self._metadata / name}: cannot be read: {error}") from error

    def _write(self, name: str, metadata: Metadata[Any]) -> None:
        write_atomically(self._metadata / name, metadata.to_bytes())
        pulled.sync(self._metadata)
