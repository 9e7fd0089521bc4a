"""Pictures that people bring along."""

from app.domain.people import Principal
from app.flows import uploads
from tests.houses import ORIGIN, Building
from tests.pictures import picture


def upload(building: Building, actor: Principal, content: bytes = picture(), kind: str = "image/png") -> uploads.Upload:
    with uploads.begin_upload(building.studio, actor, kind, ORIGIN) as file:
        file.write(content)
        return uploads.keep_upload(building.studio, actor, file, ORIGIN)
