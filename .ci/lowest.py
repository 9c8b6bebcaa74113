"""Print the lower bounds of the run-time dependencies in pyproject.toml as pip constraints: `numpy==2.0` and so on."""

import re
import sys
import tomllib


def main(path: str) -> None:
    with open(path, "rb") as file:
        project = tomllib.load(file)["project"]
    for requirement in project["dependencies"]:
        name, bound = re.match(r"([A-Za-z0-9_-]+)>=([0-9.]+)", requirement).groups()
        print(f"{name}=={bound}")


main(sys.argv[1])
