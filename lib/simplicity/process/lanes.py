"""Vectors of the processor's width as values of compiled code: sums that stay in registers.

A compiler turns a loop over one sum into vectors, but not one over a tile of sums. Here a vector
is a value, and a tile is a tuple of vectors: products of tiles are unrolled where they are
compiled, so that nothing of a tile touches memory.

Every product is added with one rounding, in the order that is written, whatever the processor.
`BYTES` is the width: 64 where native arithmetic finds AVX-512, else 32, so that portable results
depend on no processor. Arrays must be contiguous; an `offset` counts their numbers from the first.
A `tile` that is only asked for its length is a tuple of anything. Nothing is checked: an offset
outside an array is a crash.
"""

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from simplicity.process import machine, threads

WIDE = threads.kind() == "native" and "avx512f" in machine.features()
BYTES = 64 if WIDE else 32
ONE, PAIR, FOUR, EIGHT = ((0,) * count for count in (1, 2, 4, 8))  # tiles, asked for their length
# Sums may be reordered and multiplications fused, which vectorises them; NaN and infinity keep
# their meaning, so that a diverged run is seen. The order is fixed once compiled: the same machine
# gives the same bits.
FASTMATH = {"reassoc", "contract", "nsz", "arcp"}
compiled = numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")


class Vector(types.Type):
    """`BYTES` of one kind of number."""

    def __init__(self, dtype: types.Float) -> None:
        self.dtype, self.count = dtype, BYTES * 8 // dtype.bitwidth
        super().__init__(f"Vector({dtype}, {self.count})")


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        number = ir.FloatType() if kind.dtype == types.float32 else ir.DoubleType()
        super().__init__(manager, kind, ir.VectorType(number, kind.count))


def _pointer(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [offset])


def _vector(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    """Pointer to a vector, aligned as a number is."""
    place = context.get_value_type(Vector(kind.dtype)).as_pointer()
    return builder.bitcast(_pointer(context, builder, kind, array, offset), place)


def _splat(context: Any, builder: Any, dtype: Any, number: Any) -> Any:
    vector = context.get_value_type(Vector(dtype))
    one = builder.insert_element(
        ir.Constant(vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0)
    )
    return builder.shuffle_vector(
        one, one, ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    )


def _steps(context: Any, builder: Any, offset: Any, stride: Any, count: int) -> list[Any]:
    size = context.get_value_type(types.intp)
    return [builder.add(offset, builder.mul(stride, ir.Constant(size, i))) for i in range(count)]


def _fma(builder: Any, left: Any, right: Any, before: Any) -> Any:
    """before + left right, rounded once."""
    vector = before.type
    bits = 32 if vector.element == ir.FloatType() else 64
    kind = ir.FunctionType(vector, [vector] * 3)
    function = cgutils.get_or_insert_function(
        builder.module, kind, f"llvm.fma.v{vector.count}f{bits}"
    )
    return builder.call(function, [left, right, before])


def _packed(context: Any, builder: Any, dtype: Any, vectors: list[Any]) -> Any:
    return context.make_tuple(builder, types.UniTuple(Vector(dtype), len(vectors)), vectors)


@intrinsic
def zeros(typing, array, tile):  # type: ignore[no-untyped-def]
    """As many vectors of zeros as `tile` is long, of the kind of `array`."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        vector = context.get_value_type(Vector(array.dtype))
        return _packed(context, builder, array.dtype, [ir.Constant(vector, None)] * tile.count)

    return types.UniTuple(Vector(array.dtype), tile.count)(array, tile), generate


@intrinsic
def load(typing, array, offset, stride, tile):  # type: ignore[no-untyped-def]
    """The vectors that begin at `offset`, `offset` + `stride`, ..., as many as `tile` is long."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        align, found = array.dtype.bitwidth // 8, []
        for place in _steps(context, builder, args[1], args[2], tile.count):
            found.append(
                builder.load(_vector(context, builder, array, args[0], place), align=align)
            )
        return _packed(context, builder, array.dtype, found)

    return types.UniTuple(Vector(array.dtype), tile.count)(
        array, types.intp, types.intp, tile
    ), generate


@intrinsic
def store(typing, array, offset, stride, vectors):  # type: ignore[no-untyped-def]
    """Writes the vectors to `offset`, `offset` + `stride`, ..."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        places = _steps(context, builder, args[1], args[2], vectors.count)
        for place, vector in zip(places, cgutils.unpack_tuple(builder, args[3]), strict=True):
            builder.store(
                vector,
                _vector(context, builder, array, args[0], place),
                align=array.dtype.bitwidth // 8,
            )
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, vectors), generate


@intrinsic
def spread(typing, array, offset, stride, tile):  # type: ignore[no-untyped-def]
    """A vector for each of the numbers at `offset`, `offset` + `stride`, ..., which it repeats."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        found = []
        for place in _steps(context, builder, args[1], args[2], tile.count):
            number = builder.load(_pointer(context, builder, array, args[0], place))
            found.append(_splat(context, builder, array.dtype, number))
        return _packed(context, builder, array.dtype, found)

    return types.UniTuple(Vector(array.dtype), tile.count)(
        array, types.intp, types.intp, tile
    ), generate


@intrinsic
def outer(typing, sums, left, right):  # type: ignore[no-untyped-def]
    """sums[p len(right) + q] + left[p] right[q] for every p and q."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        total, first, second = (cgutils.unpack_tuple(builder, part) for part in args)
        pairs = [(one, other) for one in first for other in second]
        found = [_fma(builder, *pair, before) for pair, before in zip(pairs, total, strict=True)]
        return _packed(context, builder, sums.dtype.dtype, found)

    return sums(sums, left, right), generate


@intrinsic
def inner(typing, left, right):  # type: ignore[no-untyped-def]
    """The sum over all numbers of two tiles' products, in at most 128 bytes of sums at first."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        pairs = list(zip(*(cgutils.unpack_tuple(builder, part) for part in args), strict=True))
        sums = [ir.Constant(pairs[0][0].type, None)] * min(len(pairs), 128 // BYTES)
        for place, pair in enumerate(pairs):
            sums[place % len(sums)] = _fma(builder, *pair, sums[place % len(sums)])
        while len(sums) > 1:
            rest = sums[len(sums) - len(sums) % 2 :]
            sums = [builder.fadd(*two) for two in zip(sums[::2], sums[1::2], strict=False)] + rest
        return _total(builder, sums[0])

    return left.dtype.dtype(left, right), generate


@intrinsic
def rectified(typing, vectors):  # type: ignore[no-untyped-def]
    """max(0, .) of each number."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        found = []
        for vector in cgutils.unpack_tuple(builder, args[0]):
            zero = ir.Constant(vector.type, None)
            found.append(builder.select(builder.fcmp_ordered("<=", vector, zero), zero, vector))
        return context.make_tuple(builder, signature.return_type, found)

    return vectors(vectors), generate


@intrinsic
def kept(typing, marks, offset, stride, vector, tile):  # type: ignore[no-untyped-def]
    """The one `vector` where bits of marks[offset], marks[offset + stride], ... are set, else 0."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        (full,) = cgutils.unpack_tuple(builder, args[3])
        found = []
        for place in _steps(context, builder, args[1], args[2], tile.count):
            bits = builder.load(_pointer(context, builder, marks, args[0], place))
            chosen = _mask(builder, bits, full.type.count)
            found.append(builder.select(chosen, full, ir.Constant(full.type, None)))
        return _packed(context, builder, vector.dtype.dtype, found)

    kind = types.UniTuple(vector.dtype, tile.count)
    return kind(marks, types.intp, types.intp, vector, tile), generate


@intrinsic
def total(typing, vectors):  # type: ignore[no-untyped-def]
    """The sum of each vector's numbers: the upper half onto the lower, until one is left."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        found = [_total(builder, vector) for vector in cgutils.unpack_tuple(builder, args[0])]
        return context.make_tuple(builder, signature.return_type, found)

    return types.UniTuple(vectors.dtype.dtype, vectors.count)(vectors), generate


def _total(builder: Any, vector: Any) -> Any:
    while vector.type.count > 1:
        count = vector.type.count // 2
        low, high = (
            builder.shuffle_vector(
                vector, vector, ir.Constant(ir.VectorType(ir.IntType(32), count), list(places))
            )
            for places in (range(count), range(count, 2 * count))
        )
        vector = builder.fadd(low, high)
    return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))


def _mask(builder: Any, bits: Any, count: int) -> Any:
    """Bits, the lowest first, as a vector of truths."""
    if bits.type.width > count:
        bits = builder.trunc(bits, ir.IntType(count))
    return builder.bitcast(bits, ir.VectorType(ir.IntType(1), count))


@intrinsic
def rectify(  # type: ignore[no-untyped-def]
    typing, z, weights, sums, offset, stride, marks, place, apart
):
    """The vector of `sums` at offset + p stride gains sum_q weights[q] max(0, z[p, q]).

    z[p, q] is the tile's vector p len(weights) + q; marks[place + p + q apart] gets the bits that
    say where it is positive.
    """

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        tile, factors = (cgutils.unpack_tuple(builder, part) for part in args[:2])
        rows, columns, kept_as = (
            len(tile) // len(factors),
            len(factors),
            context.get_value_type(marks.dtype),
        )
        zero, one = (
            ir.Constant(tile[0].type, None),
            ir.Constant(context.get_value_type(types.intp), 1),
        )
        for p, at in enumerate(_steps(context, builder, args[3], args[4], rows)):
            target = _vector(context, builder, sums, args[2], at)
            total = builder.load(target, align=sums.dtype.bitwidth // 8)
            first = _steps(context, builder, args[6], one, rows)[p]
            for q, spot in enumerate(_steps(context, builder, first, args[7], columns)):
                value = tile[p * columns + q]
                positive = builder.fcmp_ordered(">", value, zero)
                bits = builder.bitcast(positive, ir.IntType(value.type.count))
                bits = builder.zext(bits, kept_as) if bits.type.width < kept_as.width else bits
                builder.store(bits, _pointer(context, builder, marks, args[5], spot))
                total = _fma(builder, factors[q], builder.select(positive, value, zero), total)
            builder.store(total, target, align=sums.dtype.bitwidth // 8)
        return context.get_dummy_value()

    where = (types.intp, types.intp)
    return types.void(z, weights, sums, *where, marks, *where), generate
