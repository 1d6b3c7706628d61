// Products of small matrices, and what is done to a product while it is still in registers.
//
//   product               out = A B, or out += A B
//   product_activation    z = f(A B + bias), and preactivation = A B + bias
//   product_output_delta  z = what `output_delta` makes of z = A B
//   product_hidden_delta  delta = what `hidden_delta` makes of delta = A B
//
// Shapes: A (rows, inner) and B (inner, columns); transposed, they lie in memory as (inner, rows) and
// (columns, inner). The rest as in forward.cu and backward.cu, but that strips have Shape::ROWS rows
// and a tile's loss is that of a tile here.
//
// A block has a tile of ROWS x COLUMNS, a thread DOWN x QUAD of it. DEPTH of the inner dimension at a
// time is brought to shared memory, of which each of GROUPS groups of threads takes its share; what
// comes next is in registers meanwhile. The groups' sums are added in their order. `splits` blocks
// may share the inner dimension of a tile: each leaves its sums in `partials`, and the one that comes
// last adds all of them up, in their order. So the bits depend on the shape and on `splits` alone.
// `arrivals`, a counter for each tile, is 0 before and after.
#include "device.cuh"
#include "deltas.cuh"

constexpr int DEPTH = 32, GROUPS = 4, SHARE = DEPTH / GROUPS, PADDING = QUAD;

struct Wide {
    static constexpr int ROWS = 32, COLUMNS = 64, DOWN = 8;
};
struct Narrow {
    static constexpr int ROWS = 32, COLUMNS = 32, DOWN = 4;
};

// A or B as it lies in memory. Its `extent` is its number of rows or columns in the product.
struct Factor {
    const float* data;
    int extent, inner;
    bool along_inner;  // whether neighbours in memory are neighbours in the inner dimension
    bool whole;

    __device__ Factor(const float* data, Index extent, Index inner, bool along_inner)
        : data(data), extent(int(extent)), inner(int(inner)), along_inner(along_inner),
          whole(in_quads(along_inner ? inner : extent, data)) {}

    __device__ Quad<float> quad(int at, int depth, int end) const {
        Quad<float> none = {};
        if (at >= extent || depth >= end) return none;
        if (along_inner) return load(data + Index(at) * inner + depth, end - depth, whole);
        return load(data + Index(depth) * extent + at, extent - at, whole);
    }
};

// DEPTH x EXTENT numbers of a factor on their way from memory to shared memory.
template <int EXTENT>
struct Slab {
    static constexpr int QUADS = EXTENT * DEPTH / QUAD / BLOCK, STRIDE = EXTENT + PADDING;
    static_assert(QUADS * QUAD * BLOCK == EXTENT * DEPTH, "every thread brings as much");

    Quad<float> quads[QUADS];

    __device__ static int at(int i, bool along_inner) {
        return along_inner ? i % EXTENT : i % (EXTENT / QUAD) * QUAD;
    }
    __device__ static int depth(int i, bool along_inner) {
        return along_inner ? i / EXTENT * QUAD : i / (EXTENT / QUAD);
    }

    __device__ void fetch(const Factor& from, int first, int depth_from, int end) {
        for (int q = 0; q < QUADS; ++q) {
            const int i = int(threadIdx.x) + q * BLOCK;
            const int own = depth_from + depth(i, from.along_inner);
            quads[q] = from.quad(first + at(i, from.along_inner), own, end);
        }
    }

    __device__ void put(float* shared, bool along_inner) const {
        for (int q = 0; q < QUADS; ++q) {
            const int i = int(threadIdx.x) + q * BLOCK;
            float* to = shared + depth(i, along_inner) * STRIDE + at(i, along_inner);
            if (along_inner) {
                for (int j = 0; j < QUAD; ++j) to[j * STRIDE] = quads[q].at[j];
            } else {
                store(quads[q], to, QUAD, true);
            }
        }
    }
};

// What a thread has of a finished tile: OWN rows of QUAD columns.
template <typename Shape>
struct Piece {
    static constexpr int ACROSS = Shape::COLUMNS / QUAD, GROUP = BLOCK / GROUPS;
    static constexpr int OWN = Shape::DOWN / GROUPS, ROWS_OF_THREADS = Shape::ROWS / OWN;
    static_assert(ACROSS * (Shape::ROWS / Shape::DOWN) == GROUP, "a group has the whole tile");

    Quad<float> quads[OWN];
    Index tile, down;
    int first_row, first_column;

    __device__ static int group() { return int(threadIdx.x) / GROUP; }
    __device__ static int member() { return int(threadIdx.x) % GROUP; }
    __device__ static int across() { return member() % ACROSS * QUAD; }
    __device__ static int down_of(int i) {  // of the i-th of the DOWN rows that a thread multiplies
        return i / QUAD * (Shape::ROWS / (Shape::DOWN / QUAD)) + member() / ACROSS * QUAD + i % QUAD;
    }

    __device__ Index row(int i) const { return first_row + down_of(group() * OWN + i); }
    __device__ Index column() const { return first_column + across(); }
    __device__ Index left(Index columns) const {
        return column() < columns ? columns - column() : 0;
    }

    // Add this thread's sums of columns to those of the others and write them to the tile's strip of
    // partials (strips, columns). All threads of the block must come here.
    __device__ void store_sums(const Quad<float>& sums, float* partials, Index columns) const {
        float* shared = reinterpret_cast<float*>(shared_memory);
        const int own = group() * (GROUP / ACROSS) + member() / ACROSS;
        store(sums, shared + own * Shape::COLUMNS + across(), QUAD, true);
        __syncthreads();
        const Index column = first_column + threadIdx.x;
        if (threadIdx.x < Shape::COLUMNS && column < columns) {
            float total = 0;
            for (int i = 0; i < ROWS_OF_THREADS; ++i) {
                total += shared[i * Shape::COLUMNS + threadIdx.x];
            }
            partials[down * columns + column] = total;
        }
        __syncthreads();  // before shared memory is used again
    }
};

template <typename Shape>
__device__ inline void multiply_slabs(const float* a, const float* b, Quad<float>* sums) {
    using Own = Piece<Shape>;
    for (int depth = 0; depth < SHARE; ++depth) {
        Quad<float> left[Shape::DOWN / QUAD];
        for (int i = 0; i < Shape::DOWN; i += QUAD) {
            left[i / QUAD] = load(a + depth * Slab<Shape::ROWS>::STRIDE + Own::down_of(i), QUAD, true);
        }
        const float* across = b + depth * Slab<Shape::COLUMNS>::STRIDE + Own::across();
        const Quad<float> right = load(across, QUAD, true);
        for (int i = 0; i < Shape::DOWN; ++i) {
            for (int j = 0; j < QUAD; ++j) {
                sums[i].at[j] += left[i / QUAD].at[i % QUAD] * right.at[j];
            }
        }
    }
}

// Return whether this block has come last of those that share a tile; then everyone's sums of it are
// in the piece.
template <typename Shape>
__device__ inline bool add_splits(
    Piece<Shape>& piece, Index split, Index splits, float* partials, unsigned* arrivals
) {
    constexpr int TILE = Shape::ROWS * Shape::COLUMNS;
    float* all = partials + piece.tile * splits * TILE + threadIdx.x;
    float* own = all + split * TILE;
    for (int i = 0; i < Piece<Shape>::OWN; ++i) {
        for (int j = 0; j < QUAD; ++j) own[(i * QUAD + j) * BLOCK] = piece.quads[i].at[j];
    }
    __threadfence();
    __syncthreads();  // what all threads have written is there before it is counted
    int* last = reinterpret_cast<int*>(shared_memory);
    if (threadIdx.x == 0) {
        *last = atomicInc(arrivals + piece.tile, unsigned(splits - 1)) == unsigned(splits - 1);
    }
    __syncthreads();
    const bool finishes = *last;
    __syncthreads();  // before shared memory is used again
    if (!finishes) return false;
    __threadfence();
    for (int i = 0; i < Piece<Shape>::OWN; ++i) piece.quads[i] = {};
    for (Index other = 0; other < splits; ++other) {
        for (int i = 0; i < Piece<Shape>::OWN; ++i) {
            for (int j = 0; j < QUAD; ++j) {
                piece.quads[i].at[j] += __ldcg(all + other * TILE + (i * QUAD + j) * BLOCK);
            }
        }
    }
    return true;
}

// Multiply for a tile, over a share of the inner dimension; return whether the piece is finished.
// All threads of the block must come here.
template <typename Shape>
__device__ inline bool multiply_tile(
    const Factor& a, const Factor& b, Index item, Index splits, float* partials, unsigned* arrivals,
    Piece<Shape>& piece
) {
    using Rows = Slab<Shape::ROWS>;
    using Columns = Slab<Shape::COLUMNS>;
    constexpr int BUFFER = DEPTH * (Rows::STRIDE + Columns::STRIDE);
    constexpr int OFFSET = DEPTH * Rows::STRIDE;
    float* shared = reinterpret_cast<float*>(shared_memory);

    // 64-bit division would take as long as reading memory does
    const unsigned across = (unsigned(b.extent) + Shape::COLUMNS - 1) / Shape::COLUMNS;
    const unsigned tile = unsigned(item) / unsigned(splits);
    const unsigned split = unsigned(item) - tile * unsigned(splits), down = tile / across;
    piece.tile = tile;
    piece.down = down;
    piece.first_row = int(down) * Shape::ROWS;
    piece.first_column = int(tile - down * across) * Shape::COLUMNS;
    const unsigned all = (unsigned(a.inner) + unsigned(splits) - 1) / unsigned(splits);
    const int share = int((all + DEPTH - 1) / DEPTH) * DEPTH, start = int(split) * share;
    const int end = start + share < a.inner ? start + share : a.inner;

    Rows rows;
    Columns columns;
    rows.fetch(a, piece.first_row, start, end);
    columns.fetch(b, piece.first_column, start, end);
    rows.put(shared, a.along_inner);
    columns.put(shared + OFFSET, b.along_inner);
    __syncthreads();
    Quad<float> sums[Shape::DOWN] = {};
    float* now = shared;
    float* then = shared + BUFFER;
    for (int depth = start; depth < end; depth += DEPTH) {
        const bool more = depth + DEPTH < end;
        if (more) {
            rows.fetch(a, piece.first_row, depth + DEPTH, end);
            columns.fetch(b, piece.first_column, depth + DEPTH, end);
        }
        const int own = Piece<Shape>::group() * SHARE;
        multiply_slabs<Shape>(
            now + own * Rows::STRIDE, now + OFFSET + own * Columns::STRIDE, sums
        );
        if (more) {
            rows.put(then, a.along_inner);
            columns.put(then + OFFSET, b.along_inner);
        }
        __syncthreads();
        float* kept = now;
        now = then;
        then = kept;
    }

    constexpr int GROUP = Piece<Shape>::GROUP, OWN = Piece<Shape>::OWN;
    float* mine = shared + threadIdx.x;  // (DOWN * QUAD, GROUPS, GROUP): the groups' sums
    for (int i = 0; i < Shape::DOWN; ++i) {
        for (int j = 0; j < QUAD; ++j) mine[(i * QUAD + j) * BLOCK] = sums[i].at[j];
    }
    __syncthreads();
    const int first = Piece<Shape>::group() * OWN * QUAD;
    for (int i = 0; i < OWN; ++i) {
        for (int j = 0; j < QUAD; ++j) {
            const float* all = shared + (first + i * QUAD + j) * BLOCK + Piece<Shape>::member();
            float sum = 0;
            for (int group = 0; group < GROUPS; ++group) sum += all[group * GROUP];
            piece.quads[i].at[j] = sum;
        }
    }
    __syncthreads();  // before shared memory is used again
    return splits == 1 || add_splits(piece, split, splits, partials, arrivals);
}

template <typename Shape>
__device__ inline Index items_of(Index rows, Index columns, Index splits) {
    const unsigned down = (unsigned(rows) + Shape::ROWS - 1) / Shape::ROWS;
    return Index(down * ((unsigned(columns) + Shape::COLUMNS - 1) / Shape::COLUMNS)) * splits;
}

template <typename Shape>
__global__ void product(
    const float* a, bool a_transposed, const float* b, bool b_transposed, Index splits,
    float* partials, unsigned* arrivals, float* out, bool add_to_out, Index rows, Index inner,
    Index columns
) {
    const Factor left(a, rows, inner, !a_transposed), right(b, columns, inner, b_transposed);
    const bool whole = in_quads(columns, out);
    for (Index item = blockIdx.x; item < items_of<Shape>(rows, columns, splits); item += gridDim.x) {
        Piece<Shape> piece;
        if (!multiply_tile(left, right, item, splits, partials, arrivals, piece)) continue;
        const Index still = piece.left(columns);
#pragma unroll  // what is indexed stays in registers
        for (int i = 0; i < Piece<Shape>::OWN; ++i) {
            if (!still || piece.row(i) >= rows) continue;
            float* to = out + piece.row(i) * columns + piece.column();
            if (add_to_out) {
                const Quad<float> before = load(to, still, whole);
                for (int j = 0; j < QUAD; ++j) piece.quads[i].at[j] += before.at[j];
            }
            store(piece.quads[i], to, still, whole);
        }
    }
}

template <typename Shape, typename F>
__global__ void product_activation(
    const float* a, bool a_transposed, const float* b, bool b_transposed, Index splits,
    float* partials, unsigned* arrivals, const float* bias, float* preactivation, float* z,
    Index rows, Index inner, Index columns
) {
    const Factor left(a, rows, inner, !a_transposed), right(b, columns, inner, b_transposed);
    const bool whole = in_quads(columns, z, preactivation), whole_bias = in_quads(columns, bias);
    for (Index item = blockIdx.x; item < items_of<Shape>(rows, columns, splits); item += gridDim.x) {
        Piece<Shape> piece;
        if (!multiply_tile(left, right, item, splits, partials, arrivals, piece)) continue;
        const Index still = piece.left(columns);
        const Quad<float> shift = load(bias + piece.column(), still, whole_bias && still);
#pragma unroll  // what is indexed stays in registers
        for (int i = 0; i < Piece<Shape>::OWN; ++i) {
            if (!still || piece.row(i) >= rows) continue;
            const Index at = piece.row(i) * columns + piece.column();
            Quad<float>& quad = piece.quads[i];
            for (int j = 0; j < QUAD; ++j) quad.at[j] += shift.at[j];
            if (preactivation) store(quad, preactivation + at, still, whole);
            for (int j = 0; j < QUAD; ++j) quad.at[j] = F::value(quad.at[j]);
            store(quad, z + at, still, whole);
        }
    }
}

template <typename Shape, typename Loss>
__global__ void product_output_delta(
    const float* a, bool a_transposed, const float* b, bool b_transposed, Index splits,
    float* partials, unsigned* arrivals, const float* bias, const float* target,
    const float* row_weights, float factor, float parameter, double* losses, float* column_sums,
    float* z, Index rows, Index inner, Index columns
) {
    const Factor left(a, rows, inner, !a_transposed), right(b, columns, inner, b_transposed);
    const bool whole = in_quads(columns, z, target), whole_bias = in_quads(columns, bias);
    for (Index item = blockIdx.x; item < items_of<Shape>(rows, columns, splits); item += gridDim.x) {
        Piece<Shape> piece;
        if (!multiply_tile(left, right, item, splits, partials, arrivals, piece)) continue;
        const Index still = piece.left(columns);
        const Quad<float> shift = load(bias + piece.column(), still, whole_bias && still);
        Quad<float> sums = {};
        double loss = 0.0;
#pragma unroll  // what is indexed stays in registers
        for (int i = 0; i < Piece<Shape>::OWN; ++i) {
            if (!still || piece.row(i) >= rows) continue;
            const Index at = piece.row(i) * columns + piece.column();
            loss += output_delta_of<Loss>(
                piece.quads[i], shift, load(target + at, still, whole),
                weight_of(row_weights, piece.row(i)), factor, parameter, still, sums
            );
            store(piece.quads[i], z + at, still, whole);
        }
        piece.store_sums(sums, column_sums, columns);
        loss = block_sum(loss);
        if (threadIdx.x == 0) losses[piece.tile] = loss;
    }
}

template <typename Shape, typename F>
__global__ void product_hidden_delta(
    const float* a, bool a_transposed, const float* b, bool b_transposed, Index splits,
    float* partials, unsigned* arrivals, const float* z, const float* activations,
    const float* mask, const float* slope, const float* row_weights, float l1, float* column_sums,
    float* delta, Index rows, Index inner, Index columns
) {
    const Factor left(a, rows, inner, !a_transposed), right(b, columns, inner, b_transposed);
    const Hidden<float> hidden(delta, z, activations, mask, slope, row_weights, l1, columns);
    for (Index item = blockIdx.x; item < items_of<Shape>(rows, columns, splits); item += gridDim.x) {
        Piece<Shape> piece;
        if (!multiply_tile(left, right, item, splits, partials, arrivals, piece)) continue;
        const Index still = piece.left(columns), column = piece.column();
        const Quad<float> penalty = hidden.penalty(column, still);
        Quad<float> sums = {};
#pragma unroll  // what is indexed stays in registers
        for (int i = 0; i < Piece<Shape>::OWN; ++i) {
            const Index row = piece.row(i);
            if (!still || row >= rows) continue;
            hidden.template finish<F>(piece.quads[i], row, column, still, penalty, sums);
            store(piece.quads[i], delta + row * columns + column, still, hidden.whole);
        }
        piece.store_sums(sums, column_sums, columns);
    }
}
