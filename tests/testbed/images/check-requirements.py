"""pip on the machine evaluates markers like `python_version < "3.13"` with ITS OWN Python, whatever --python-version says.
Run with the image's Python, this names every requirement that was dropped or has the wrong version."""
import importlib.metadata as metadata
import sys

from packaging.requirements import Requirement

wrong = []
for distribution in metadata.distributions(path=["/opt/python"]):
    for line in distribution.requires or []:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            found = None
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{distribution.name} needs {requirement}, found {found}")
if wrong:
    sys.exit("\n".join(wrong))
