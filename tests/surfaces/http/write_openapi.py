"""Writes contracts/openapi/*.json anew: python -m tests.surfaces.http.write_openapi"""

import asyncio
import json
import tempfile
from pathlib import Path

from tests.surfaces.http.services import open_world

FOLDER = Path(__file__).parents[3] / "contracts" / "openapi"


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_world(Path(folder)) as world:
            services = {"gateway": world.gateway(), "read-model": world.read_model()}
            FOLDER.mkdir(exist_ok=True)
            for name, app in services.items():
                text = json.dumps(app.openapi(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
                (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
                print(f"wrote contracts/openapi/{name}.json")


if __name__ == "__main__":
    asyncio.run(main())
