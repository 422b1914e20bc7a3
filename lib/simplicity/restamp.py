"""Once: give every committed record the fingerprint of meaning, if its fingerprint of old is current. No cell is computed.

`python restamp.py OLD_TREE` with this library importable; OLD_TREE is a checkout whose fingerprints are of the old kind. Asserted
for each record: the old tree's own fingerprint is the one recorded; what the code means is the same in both trees.
"""

import json
import subprocess
import sys
from pathlib import Path

from simplicity import meaning, records, store

CODE = """
import json
from simplicity import records, store
print(json.dumps({name: store.fingerprint(records.experiment(name)) for name in records.names()}))
"""


def main(old_tree: Path) -> None:
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, env={"PYTHONPATH": str(old_tree / "lib")}, capture_output=True, text=True, check=True)
    old = json.loads(done.stdout)
    before = meaning.Library({"simplicity": old_tree / "lib" / "simplicity"}, settled={"simplicity"})
    for name in records.names():
        module = records.experiment(name)
        record = records.load(module)
        assert record is not None
        if record.about["fingerprint"] == store.fingerprint(module):
            continue
        if record.about["fingerprint"] != old[name]:
            print(f"{name}: its old fingerprint is not current; left as it is")
            continue
        assert before.digest(module.__name__, ("Cell", "measure")) == store.meaning_of(module), name
        stamp = {"fingerprint": store.fingerprint(module)}
        records._write(module, record.dataset.assign_attrs(stamp), record.about | stamp)
        print(f"{name}: stamped")


main(Path(sys.argv[1]))
