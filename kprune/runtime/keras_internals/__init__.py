"""The few private corners of Keras that kprune cannot do without.

Nothing else in kprune touches an underscored name of Keras. Each function
says what it needs it for and what happens where a Keras release lacks it.
"""

from kprune.runtime.keras_internals.graphs import (
    adopt_graph,
    calls,
    clone_graph,
    fed_arguments,
    functional_class,
    is_graph,
    last_layers,
    lists_layers,
    nodes,
    not_compiled,
    output_layers,
)
from kprune.runtime.keras_internals.inputs import (
    call_arguments,
    check_inputs,
    infer,
    input_specs,
    random_inputs,
    serving_signature,
)
from kprune.runtime.keras_internals.layers import (
    activation_name,
    all_layers,
    attributes,
    default_name,
    known_objects,
    make_linear,
    smallest_vocabulary,
    swap_children,
    take_call_signature,
    take_rematerialization,
    vocabulary,
)
from kprune.runtime.keras_internals.multi_worker import (
    mend_multi_worker_fit,
    spans_workers,
)
from kprune.runtime.keras_internals.optimizers import GradientDecay
from kprune.runtime.keras_internals.traces import (
    forget_traces,
    stateless,
    traced_anew,
    traced_layers,
)
from kprune.runtime.keras_internals.training import (
    averages,
    build_training,
    compile_arguments,
    compiled_loss,
    compiles_by_itself,
    forget_compiled_functions,
    is_keras_loss,
    reads_logits,
    set_loss_scaling,
    slots,
    training_loss,
)

__all__ = [
    "GradientDecay",
    "activation_name",
    "adopt_graph",
    "all_layers",
    "attributes",
    "averages",
    "build_training",
    "call_arguments",
    "calls",
    "check_inputs",
    "clone_graph",
    "compile_arguments",
    "compiled_loss",
    "compiles_by_itself",
    "default_name",
    "fed_arguments",
    "forget_compiled_functions",
    "forget_traces",
    "functional_class",
    "infer",
    "input_specs",
    "is_graph",
    "is_keras_loss",
    "known_objects",
    "last_layers",
    "lists_layers",
    "make_linear",
    "mend_multi_worker_fit",
    "nodes",
    "not_compiled",
    "output_layers",
    "random_inputs",
    "reads_logits",
    "serving_signature",
    "set_loss_scaling",
    "slots",
    "smallest_vocabulary",
    "spans_workers",
    "stateless",
    "swap_children",
    "take_call_signature",
    "take_rematerialization",
    "traced_anew",
    "traced_layers",
    "training_loss",
    "vocabulary",
]
