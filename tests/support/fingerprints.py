"""What stands in a run's folder about the fingerprints of its configurations, and about incidents."""
import json


class Folder:
    """What stands in a run's folder about fingerprints and incidents."""

    def __init__(self, run):
        self.run, self.folder = run, run.folder

    def fingerprints(self):
        return json.loads((self.folder / "state/fingerprints.json").read_text())

    def incidents(self):
        return json.loads((self.folder / "artifacts/runtime/canary_report/incidents.json").read_text())

    def record(self):
        return json.loads((self.folder / "state/rollback.json").read_text())

    def effective(self):
        return json.loads((self.folder / "runtime/effective_config.json").read_text())

    def mark(self, **changes):
        """Marks stable what differs from the present configuration so; its fingerprint."""
        current = self.fingerprints()["current"]
        config = json.loads((self.folder / f"state/configs/{current}.json").read_text())
        for key, value in changes.items():
            section, name = key.split("__")
            config[section][name] = value
        draft = self.folder / "draft.json"
        draft.write_text(json.dumps(config))
        fingerprint = self.run.orchctl("config", "fingerprint", "draft.json").stdout.strip()
        path = f"state/configs/{fingerprint}.json"
        draft.rename(self.folder / path)
        store = self.fingerprints()
        store["stable"] = [{"fingerprint": fingerprint, "config_tag": "dev", "config_file": path,
                            "marked_at": "2024-08-08T00:00:00.000Z", "evidence": "by hand"}]
        (self.folder / "state/fingerprints.json").write_text(json.dumps(store))
        return fingerprint

    def confirmed(self, fingerprint):
        """The fingerprints that the daemons of the present run tell."""
        return {name: process["heartbeat"]["config_fingerprint"] == fingerprint
                for name, process in ((p["name"], p) for p in self.run.status()["processes"]) if process["heartbeat"]}
