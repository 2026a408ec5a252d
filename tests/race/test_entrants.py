"""What may enter a race: limits are checked on the file alone, before a runtime sees it."""

import hashlib
import itertools
import re

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.errors import AssetError, BundleError
from racer.policy.graph import read_graph
from racer.policy.graph_shapes import WORK_RULES, UnknownShapeError, count_work
from racer.race import entrants
from racer.race.entrants import EntrantError, check_label, check_limits, open_entrant, read_entrant_bundle
from support.bundles import linear_contract, linear_onnx, linear_weights, write_driver, write_graph, write_linear
from support.paths import ROOT

helper, numpy_helper = onnx.helper, onnx.numpy_helper
FLOAT = onnx.TensorProto.FLOAT
WIDTH = linear_contract().sensors[0].size


def constant(name, values, dtype="f4"):
    """An initializer."""
    return numpy_helper.from_array(np.array(values, dtype), name)


def graph(nodes, constants=(), *, inputs=None, opset=18, domain="", outputs=("action", "mean")):
    """A model from `state` (B, 20) to the contract's outputs."""
    inputs = inputs or {"state": ["B", WIDTH]}
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, FLOAT, ["B", 2]) for name in outputs],
        list(constants),
    )
    sets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(made, opset_imports=sets, ir_version=8)


W = constant("w", np.ones((WIDTH, 2)))
GEMM = helper.make_node("Gemm", ["state", "w"], ["mean"])
TO_ACTION = helper.make_node("Identity", ["mean"], ["action"])


def refused(tmp_path, model):
    """The line with which a graph is refused."""
    path = write_graph(tmp_path / "e.bundle", model.SerializeToString())
    with pytest.raises(EntrantError) as caught:
        open_entrant(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    return str(caught.value)


def test_a_bundle_enters(tmp_path):
    """Open a bundle: label, hash of the file, and a policy that answers."""
    path = write_driver(tmp_path / "swift.bundle")
    entrant = open_entrant(path)
    assert (entrant.label, entrant.policy.name) == ("swift", "swift")
    assert entrant.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert entrant.policy.act({"state": np.zeros((3, WIDTH), "f4")}).shape == (3, 2)
    assert open_entrant(path, "Team  Swift ").label == "Team Swift"


def test_a_run_folder_enters_by_its_name(tmp_path):
    """Take the best checkpoint of a folder, and the folder's name."""
    run = tmp_path / "my-run"
    run.mkdir()
    write_driver(run / "last.bundle", speed=0.7)
    best = write_driver(run / "best.bundle")
    entrant = open_entrant(run)
    assert entrant.label == "my-run" and entrant.sha256 == hashlib.sha256(best.read_bytes()).hexdigest()


@pytest.mark.parametrize("label", ["", " ", "x" * 61, "=SUM(A1)", "+1", "@me", "-x", "a\x00b", "a\u202eb", "\u200b"])
def test_labels_that_tables_cannot_show(label):
    """Refuse what is empty, too long, unprintable or a formula."""
    with pytest.raises(EntrantError, match="1 to 60 printable"):
        check_label(label)


@pytest.mark.parametrize("label", ["x", "x" * 60, "Björn & Söhne", "<b>", "日本", "a=b"])
def test_labels_that_tables_can_show(label):
    """Let through all that prints, markup too: pages escape it."""
    assert check_label(label) == label


def test_a_file_over_the_limit_is_not_read(tmp_path, monkeypatch):
    """Refuse by the size on disk, before a byte is read; at the limit it enters."""
    path = write_driver(tmp_path / "e.bundle")
    size = path.stat().st_size
    monkeypatch.setattr(entrants, "BUNDLE_BYTES_MAX", size)
    read_entrant_bundle(path)
    monkeypatch.setattr(entrants, "BUNDLE_BYTES_MAX", size - 1)
    monkeypatch.setattr(entrants, "read_bundle", lambda _: pytest.fail("was read"))
    with pytest.raises(EntrantError, match=f"has {size} bytes"):
        open_entrant(path)


def test_what_is_no_bundle(tmp_path):
    """Refuse other files as other commands do."""
    (tmp_path / "x.bundle").write_bytes(b"PK\x03\x04")
    with pytest.raises(BundleError):
        open_entrant(tmp_path / "x.bundle")
    with pytest.raises(AssetError, match="No policy"):
        open_entrant(tmp_path / "y.bundle")


LOOP_BODY = helper.make_graph(
    [helper.make_node("Identity", ["go"], ["on"])],
    "body",
    [helper.make_tensor_value_info("i", onnx.TensorProto.INT64, []), helper.make_tensor_value_info("go", 9, [])],
    [helper.make_tensor_value_info("on", 9, [])],
)
BRANCH = helper.make_graph([], "branch", [], [helper.make_tensor_value_info("w", FLOAT, [WIDTH, 2])], [W])


@pytest.mark.parametrize(
    ("node", "told"),
    [
        (helper.make_node("Loop", ["", ""], [], body=LOOP_BODY), "operator Loop is not on the list"),
        (helper.make_node("If", ["state"], ["x"], then_branch=BRANCH, else_branch=BRANCH), "operator If is not"),
        (helper.make_node("Scan", ["state"], ["x"], body=LOOP_BODY, num_scan_inputs=1), "operator Scan is not"),
        (helper.make_node("RandomNormalLike", ["state"], ["x"]), "operator RandomNormalLike is not"),
        (helper.make_node("Relu", ["state"], ["x"], body=LOOP_BODY), "operator Relu is not"),
        (helper.make_node("Convv", ["state"], ["x"]), "Did you mean `Conv`?"),
        (helper.make_node("Gelu", ["state"], ["x"], domain="com.microsoft"), "of domain 'com.microsoft'"),
        (helper.make_node("Relu", ["state"], ["x"], domain="mine"), "of domain 'mine'"),
    ],
)
def test_operators_off_the_list(tmp_path, node, told):
    """Refuse what repeats, decides, draws or is somebody's own, though nothing uses what it gives."""
    assert told in refused(tmp_path, graph([GEMM, TO_ACTION, node], [W], domain=node.domain))


def test_functions_and_sparse_data(tmp_path):
    """Refuse models that bring operators of their own."""
    model = graph([GEMM, TO_ACTION], [W])
    model.functions.append(helper.make_function("", "Relu", ["x"], ["y"], [], [helper.make_opsetid("", 18)]))
    assert "functions" in refused(tmp_path, model)


@pytest.mark.parametrize(("opset", "good"), [(10, False), (11, True), (24, True), (25, False)])
def test_operator_sets(tmp_path, opset, good):
    """Take the operator sets that the rules describe, and no others."""
    model = graph([GEMM, TO_ACTION], [W], opset=opset)
    if good:
        path = write_graph(tmp_path / "e.bundle", model.SerializeToString())
        assert check_limits(read_entrant_bundle(path)[0], source="e") == 2 * WIDTH + 2
    else:
        assert f"operator set {opset}" in refused(tmp_path, model)


@pytest.mark.parametrize(
    ("inputs", "outputs", "told"),
    [
        ({"state": [1, WIDTH]}, ("action", "mean"), "[B, 20]"),
        ({"state": ["B", WIDTH + 1]}, ("action", "mean"), "[B, 20]"),
        ({"lidar": ["B", WIDTH]}, ("action", "mean"), "from lidar to action, mean"),
        ({"state": ["B", WIDTH], "more": ["B", 1]}, ("action", "mean"), "from state, more to"),
        ({"state": ["B", WIDTH]}, ("mean", "action"), "to mean, action"),
    ],
)
def test_outsides_other_than_the_contracts(tmp_path, inputs, outputs, told):
    """Refuse other inputs and outputs, by name, order and shape."""
    nodes = [helper.make_node("Gemm", [next(iter(inputs)), "w"], ["mean"]), TO_ACTION]
    assert told in refused(tmp_path, graph(nodes, [W], inputs=inputs, outputs=outputs))


def test_actions_of_another_shape(tmp_path):
    """Refuse a graph that gives no steering angle and speed for each car."""
    nodes = [GEMM, helper.make_node("Concat", ["mean", "mean"], ["action"], axis=1)]
    assert "for 1 cars its graph gives actions of shape [1, 4]" in refused(tmp_path, graph(nodes, [W]))


def test_too_much_work(tmp_path, monkeypatch):
    """Refuse one multiply-add over the limit, and say how many there are."""
    path = write_graph(tmp_path / "e.bundle", graph([GEMM, TO_ACTION], [W]).SerializeToString())
    work = WIDTH * 2 + 2
    monkeypatch.setattr(entrants, "WORK_MAX", work)
    assert check_limits(read_entrant_bundle(path)[0], source="e") == work
    monkeypatch.setattr(entrants, "WORK_MAX", work - 1)
    with pytest.raises(EntrantError, match=f"takes {work} multiply-adds, an entrant may take {work - 1}"):
        open_entrant(path)


def test_a_small_file_can_hold_much_work(tmp_path):
    """Refuse a graph of a few hundred bytes that blows a row up to a matrix product of a billion."""
    nodes = [
        helper.make_node("Concat", ["state"] * 500, ["wide"], axis=1),
        helper.make_node("Transpose", ["wide"], ["tall"], perm=[1, 0]),
        helper.make_node("MatMul", ["tall", "wide"], ["huge"]),
        GEMM,
        TO_ACTION,
    ]
    assert "makes a tensor of 100000000 numbers" in refused(tmp_path, graph(nodes, [W]))


def test_too_many_operators(tmp_path, monkeypatch):
    """Count operators, however small they are."""
    monkeypatch.setattr(entrants, "NODES_MAX", 3)
    chain = [helper.make_node("Relu", ["state"], ["a"]), helper.make_node("Relu", ["a"], ["b"]), GEMM, TO_ACTION]
    assert "has 4 operators" in refused(tmp_path, graph(chain, [W]))


def test_cars_of_a_batch_that_know_of_each_other(tmp_path):
    """Refuse a product of all rows with all rows: one car's action would depend on the others'."""
    nodes = [
        helper.make_node("Transpose", ["state"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["state", "t"], ["mixed"]),
        helper.make_node("ReduceSum", ["mixed"], ["sums"], keepdims=1),
        GEMM,
        helper.make_node("Add", ["mean", "sums"], ["action"]),
    ]
    assert "mixes the cars of a batch" in refused(tmp_path, graph(nodes, [W]))


def test_a_computed_shape_is_refused(tmp_path):
    """Refuse a reshape whose shape comes from the observation."""
    nodes = [
        helper.make_node("ArgMax", ["state"], ["shape"], axis=1, keepdims=0),
        helper.make_node("Reshape", ["w", "shape"], ["mean"]),
        TO_ACTION,
    ]
    assert "Reshape: the shape of its output 'mean' is computed" in refused(tmp_path, graph(nodes, [W]))


def node(operator, inputs=1, outputs=1, **attributes):
    """A node over x0, x1, ... to y0, y1, ..."""
    names = [f"x{k}" for k in range(inputs)], [f"y{k}" for k in range(outputs)]
    return helper.make_node(operator, *names, **attributes)


ints = np.array
CASES = [
    # operator, shapes in, multiply-adds by hand (None: see the oracle alone)
    (node("Relu"), [(2, 3)], 6),
    (node("Add", 2), [(4, 1, 3), (5, 1)], 4 * 5 * 3 * 2),
    (node("MatMul", 2), [(2, 3, 4), (4, 5)], 2 * 3 * 5 * 4),
    (node("MatMul", 2), [(4,), (4, 5)], 20),
    (node("MatMul", 2), [(2, 3, 4), (4,)], 24),
    (node("MatMul", 2), [(4,), (4,)], 4),
    (node("Gemm", 3, transA=1, transB=1), [(7, 2), (5, 7), (5,)], 2 * 5 * 7),
    (node("Conv", 2, kernel_shape=[5, 3], strides=[2, 1], pads=[1, 0, 2, 1]), [(1, 4, 20, 15), (8, 4, 5, 3)], None),
    (node("Conv", 2, group=2, dilations=[2, 2]), [(1, 4, 9, 9), (6, 2, 3, 3)], 6 * 5 * 5 * 2 * 9),
    (node("Conv", 2, auto_pad="SAME_UPPER", strides=[2, 2]), [(1, 1, 9, 8), (1, 1, 3, 3)], 5 * 4 * 9),
    (node("MaxPool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), [(1, 2, 10, 11)], 2 * 5 * 5 * 9),
    (node("AveragePool", kernel_shape=[2, 2]), [(1, 2, 4, 4)], 2 * 3 * 3 * 4),
    (node("GlobalAveragePool"), [(2, 3, 4, 5)], 120),
    (node("Flatten", axis=2), [(2, 3, 4)], 0),
    (node("Flatten", axis=-1), [(2, 3, 4)], 0),
    (node("Reshape", 2), [(2, 3, 4), ints([0, -1])], 0),
    (node("Transpose", perm=[2, 0, 1]), [(2, 3, 4)], 24),
    (node("Transpose"), [(2, 3)], 6),
    (node("Concat", 3, axis=-1), [(2, 3), (2, 1), (2, 2)], 12),
    (node("Split", 2, 2, axis=1), [(2, 7), ints([3, 4])], 14),
    (node("Slice", 5), [(9, 8), ints([-3, 6]), ints([100, -9]), ints([0, 1]), ints([2, -2])], None),
    (node("Slice", 3), [(9, 8), ints([1]), ints([-1])], 7 * 8),
    (node("Squeeze", 2), [(1, 3, 1), ints([-1])], 0),
    (node("Squeeze"), [(1, 3, 1)], 0),
    (node("Unsqueeze", 2), [(3, 4), ints([0, -1])], 0),
    (node("Gather", 2, axis=1), [(3, 4), ints([[0, 2], [1, 1]])], 12),
    (node("ReduceMean", axes=[1], keepdims=0), [(2, 3, 4)], 24),
    (node("ReduceSum", 2, keepdims=0), [(2, 3, 4), ints([-1, 0])], 24),
    (node("ArgMax", axis=1, keepdims=0), [(2, 3, 4)], 24),
    (node("Softmax", axis=-1), [(2, 5)], 40),
    (node("Clip", 3), [(2, 5), (), ()], 10),
    (node("Where", 3), [(2, 1), (3,), (2, 3)], 18),
]


@pytest.mark.parametrize(("one", "given", "work"), CASES, ids=lambda v: v.op_type if hasattr(v, "op_type") else "")
def test_rules_agree_with_onnx(one, given, work):
    """Compare shapes with those that the onnx package infers, and the work with a count by hand."""
    fixed = {f"x{k}": v for k, v in enumerate(given) if isinstance(v, np.ndarray)}
    shapes = {f"x{k}": v for k, v in enumerate(given) if isinstance(v, tuple)}
    kinds = {"x0": onnx.TensorProto.BOOL} if one.op_type == "Where" else {}
    made = helper.make_graph(
        [one],
        "g",
        [helper.make_tensor_value_info(name, kinds.get(name, FLOAT), shape) for name, shape in shapes.items()],
        [helper.make_empty_tensor_value_info(name) for name in one.output],
        [numpy_helper.from_array(np.asarray(v, np.int64), name) for name, v in fixed.items()],
    )
    opset = 13 if one.op_type.startswith("Reduce") else 18
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)])
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    wanted = {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in inferred.graph.output}
    found, outputs = count_work(read_graph(model.SerializeToString(), source="x"), shapes, elements_max=10**6)[0:2]
    assert outputs == wanted
    assert work is None or found == work


def test_the_work_of_a_convolution():
    """Count by hand: out 8 x 10 x 14, each the sum of 4 x 5 x 3 products."""
    case = CASES[7]
    made = helper.make_graph([case[0]], "g", [], [helper.make_empty_tensor_value_info("y0")])
    shapes = {"x0": case[1][0], "x1": case[1][1]}
    read = read_graph(helper.make_model(made).SerializeToString(), source="x")
    assert count_work(read, shapes, elements_max=10**6) == (8 * 10 * 14 * 4 * 5 * 3, {"y0": (1, 8, 10, 14)})


def test_shapes_made_of_shapes():
    """Follow what torch's exporter writes for `x.view(len(x), -1)`."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Constant", [], ["zero"], value=constant("z", 0, "i8")),
        helper.make_node("Gather", ["s", "zero"], ["b"], axis=0),
        helper.make_node("Constant", [], ["front"], value_ints=[0]),
        helper.make_node("Unsqueeze", ["b", "front"], ["b1"]),
        helper.make_node("Constant", [], ["rest"], value_ints=[-1]),
        helper.make_node("Concat", ["b1", "rest"], ["shape"], axis=0),
        helper.make_node("Reshape", ["x", "shape"], ["y"]),
    ]
    made = helper.make_graph(nodes, "g", [], [helper.make_empty_tensor_value_info("y")])
    read = read_graph(helper.make_model(made).SerializeToString(), source="x")
    assert count_work(read, {"x": (5, 3, 4)}, elements_max=1000)[1] == {"y": (5, 12)}


def chain(operator, count, *more, **attributes):
    """An operator that is applied again and again: x, a1, ..., y."""
    names = ["x", *(f"a{k}" for k in range(1, count)), "y"]
    return [helper.make_node(operator, [a, *more], [b], **attributes) for a, b in itertools.pairwise(names)]


def pool(**attributes):
    """A pooling of x, as one channel of one picture line for each car."""
    front = helper.make_node("Unsqueeze", ["x", "front"], ["a"])
    return [front, helper.make_node("MaxPool", ["a"], ["y"], kernel_shape=[2], **attributes)]


def test_pooling_without_overflow():
    """The pooling that the hostile ones below change is accepted."""
    made = helper.make_graph(
        pool(pads=[1, 1]),
        "g",
        [helper.make_tensor_value_info("x", FLOAT, [2, 3])],
        [helper.make_empty_tensor_value_info("y")],
        [constant("front", [1], "i8")],
    )
    read = read_graph(helper.make_model(made).SerializeToString(), source="x")
    assert count_work(read, {"x": (2, 3)}, elements_max=10**6) == (2 * 4 * 2, {"y": (2, 1, 4)})


DOUBLED = [
    helper.make_node("Shape", ["x"], ["a0"]),
    *(helper.make_node("Concat", [f"a{k}"] * 2, [f"a{k + 1}"], axis=0) for k in range(60)),
    helper.make_node("Reshape", ["x", "a60"], ["y"]),
]
CLAIMED = [
    helper.make_node("ArgMax", ["x"], ["s"], axis=1, keepdims=0),
    helper.make_node("Reshape", ["x", "s"], ["y"]),
]


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        (DOUBLED, "Concat: makes a tensor of"),
        (CLAIMED, "Reshape: the shape of its output 'y' is computed"),
        (chain("Unsqueeze", 200, "axes"), "Unsqueeze: makes a tensor of 18 dimensions"),
        (chain("Unsqueeze", 1, "twice"), "Unsqueeze: its inputs do not fit together"),
        (pool(pads=[2**62, 2**62]), "MaxPool: its inputs do not fit together"),
        (pool(dilations=[2**63 - 1]), "MaxPool: its inputs do not fit together"),
        (chain("Transpose", 1, perm=[0]), "Transpose: its inputs do not fit together"),
        ([helper.make_node("Constant", [], ["y"], value_string="x")], "Constant: a constant"),
    ],
    ids=["values", "claim", "rank", "axes", "pads", "dilations", "permutation", "text"],
)
def test_hostile_shapes(nodes, reason):
    """Refuse graphs that would overflow, fill the memory, or claim a shape that nothing determines."""
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", FLOAT, [2, 3])],
        [helper.make_tensor_value_info("y", FLOAT, [1, 1])],
        [constant("axes", list(range(16)), "i8"), constant("twice", [0, 0], "i8"), constant("front", [1], "i8")],
    )
    read = read_graph(helper.make_model(made).SerializeToString(), source="x")
    with pytest.raises(UnknownShapeError, match=reason):
        count_work(read, {"x": (2, 3)}, elements_max=10**6)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(WORK_RULES)), min_size=1, max_size=4),
    st.lists(st.lists(st.integers(-3, 9), max_size=4), min_size=1, max_size=4),
    st.dictionaries(
        st.sampled_from(["axis", "axes", "perm", "kernel_shape", "strides", "pads", "group", "to", "split", "starts"]),
        st.one_of(st.integers(-(2**40), 2**40), st.lists(st.integers(-9, 2**40), min_size=1, max_size=5)),
        max_size=3,
    ),
)
def test_any_graph_ends_with_a_verdict(operators, values, attributes):
    """Tell a bound or refuse, whatever operators, shapes and attributes come together."""
    constants = [constant(f"c{k}", v, "i8") for k, v in enumerate(values)]
    names = ["x", *(tensor.name for tensor in constants)]
    nodes = [helper.make_node(name, names, [f"y{k}"], **attributes) for k, name in enumerate(operators)]
    made = helper.make_graph(nodes, "g", [], [helper.make_empty_tensor_value_info("y0")], constants)
    read = read_graph(helper.make_model(made).SerializeToString(), source="x")
    try:
        work, _ = count_work(read, {"x": (2, 3, 4)}, elements_max=10**6)
    except UnknownShapeError as error:
        assert str(error)
    else:
        assert work >= 0


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 255), st.integers(0, 3000))
def test_any_damage_ends_with_a_verdict(place, byte, end):
    """Change a byte and cut the end off: the graph is read or refused, in one line."""
    data = bytearray(linear_onnx(linear_contract(), linear_weights(linear_contract())))
    data[place % len(data)] = byte
    try:
        read_graph(bytes(data[: max(end, 1)]), source="x")
    except BundleError as error:
        assert "\n" not in str(error)


def test_trained_bundles_enter(tmp_path):
    """Let in what the package's own exporter makes, and count a dense network by hand."""
    from racer.contract import NetworkInfo, make_contract, state_sensor
    from racer.export.graph import trace

    contract = make_contract(
        sensors=(state_sensor(),),
        action_space=linear_contract().action_space,
        control_rate_hz=15.0,
        network=NetworkInfo(policy_layers=(64, 32)),
    )
    path = write_graph(tmp_path / "e.bundle", trace(contract), contract)
    products = 48 * 64 + 64 * 32 + 32 * 2
    assert products <= check_limits(read_entrant_bundle(path)[0], source="e") <= products + 500
    assert open_entrant(write_linear(tmp_path / "l.bundle")).label == "l"


def test_the_page_lists_the_operators():
    """Compare the list in docs/leaderboard.md with the rules."""
    page = (ROOT / "docs" / "leaderboard.md").read_text(encoding="utf-8")
    listed = page.split("The operators:\n")[1].split("There is no")[0]
    assert re.findall(r"`(\w+)`", listed) == sorted(WORK_RULES)
