"""The lenses for a network of which nothing else was said."""

from simplicity.lenses.boursier import alignment, with_weights
from simplicity.lenses.hu import linear_gap
from simplicity.lenses.lens import Lens
from simplicity.lenses.loukas import bias_trajectory
from simplicity.lenses.nakkiran import linear_explainability
from simplicity.lenses.task import Task


def fitting(task: Task) -> list[Lens]:
    """All four, the last two at the first layer; without those that have nothing to look at.

    Targets that are numbers name no classes, a layer may have no bias, and the neurons of an only
    layer are the outputs.
    """
    found = [linear_explainability()] if task.outputs.classes else []
    found.append(linear_gap())
    layers = with_weights(task.mirror)
    if len(layers) < 2:
        return found
    first, layer = layers[0]
    if layer.bias is not None:
        found.append(bias_trajectory(first))
    return [*found, alignment(first)]
