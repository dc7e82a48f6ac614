"""What ``preg logs --details`` shows of a container before each line, as Docker writes it."""

from urllib.parse import quote_plus

from runtime import bundle
from runtime.bundle import Wishes
from runtime.cli.process_config import read_image
from runtime.container import Container
from runtime.image_config import Process
from runtime.record import read


def show_details(container: Container) -> bytes:
    """Give the labels and variables that its log was made to tell of, and a space, which comes also without any."""
    description = container.describe()
    image = read_image(container, description).config or Process()
    variables = bundle.variables(image, read(Wishes, description.wishes))
    shown = {
        name: known[name]
        for names, known in ((description.log.labels, description.labels), (description.log.env, variables))
        for name in names.split(",")
        if name in known
    }
    return ",".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in sorted(shown.items())).encode() + b" "
