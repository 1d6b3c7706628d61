// A code of which k of h units are active in each row: which these are, products and gradients.
//
//   topk_mask             mask = 1 at the k largest of each row (ties to the lower column), else 0
//   topk                  indices, values = the same, ascending in a row
//   sparse_product        out[r] = sum over p of values[r, p] w[indices[r, p]]
//   sparse_delta          out[r, p] = delta_next[r] . w[indices[r, p]]
//   mark_rows             bit r % 32 of marks[r / 32, u] says whether unit u is active in row r
//   sparse_hidden_delta   delta = delta f'(a); bias_gradient[u] = (bias_gradient[u] +) its sums
//   sparse_outer_rows     out[u] = (out[u] +) sum over r of values[r, p] delta_next[r]
//   sparse_outer_columns  out[i, u] = (out[i, u] +) sum over r of inputs[r, i] delta[r, p]
//
// In sums over r, p is the place of unit u in row r, and rows without it are left out.
// Shapes: a, mask (m, h); indices, values, delta, sparse_delta's out and hidden_delta's a (m, k);
// w (h, d); delta_next, sparse_product's out (m, d); inputs (m, n); bias_gradient (h,);
// marks (m / 32, h). Gradients: units `first` on of (h, d), inputs `first` on of (n, h).
// A unit's rows are marked before they are summed, so every sum is in their order; the marks of
// 32 rows and MARKED units are made in shared memory, where setting bits in any order is exact.
#include "device.cuh"
#include "activations.cuh"

constexpr int DIGIT_BITS = 8, DIGITS = 1 << DIGIT_BITS;
constexpr int MARKED = 2048;
constexpr int TURNED = 32;  // units of a tile that is written transposed
constexpr int TURNED_PITCH = TILE_COLUMNS + 1;

// Numbers in the order of the values: larger for larger, equal for both zeros, 0 for NaN.
__device__ inline unsigned order_of(float value) {
    if (value != value) return 0;
    const unsigned word = __float_as_uint(value);
    const unsigned bits = word << 1 ? word : 0;  // compared as numbers, denormals would be zeros
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}
__device__ inline unsigned long long order_of(double value) {
    if (value != value) return 0;
    const unsigned long long word = __double_as_longlong(value);
    const unsigned long long bits = word << 1 ? word : 0;
    return bits >> 63 ? ~bits : bits | 0x8000000000000000ull;
}

// The columns of a row that are chosen: those above an order, and the first so many equal to it.
template <typename Order>
struct Cut {
    Order last;
    Index ties;
};

// The highest digit that k counts, from the highest digit on, come down to; k becomes how many of
// them are its own. All lanes of a warp come here and get the same.
__device__ inline int digit_at(const unsigned* counts, Index& k) {
    constexpr int OWN = DIGITS / LANES;
    Index above = 0, sum = 0;
    for (int i = 0; i < OWN; ++i) sum += counts[lane() * OWN + i];
    const Index own = sum;
    for (int distance = 1; distance < LANES; distance *= 2) {
        const Index other = __shfl_xor_sync(EVERYONE, sum, distance);
        if (!(lane() & distance)) above += other;
        sum += other;
    }
    const unsigned found = __ballot_sync(EVERYONE, above < k && k <= above + own);
    const int at = __popc(found - 1);
    k -= __shfl_sync(EVERYONE, above, at);
    int digit = at * OWN + OWN - 1;
    while (counts[digit] < k) k -= counts[digit--];
    return digit;
}

// A warp finds the k-th largest of a row, digit by digit from the highest, of those columns that
// share the higher ones with it.
template <typename Real>
__device__ inline auto cut_of(const Real* row, Index columns, Index k, unsigned* counts) {
    using Order = decltype(order_of(Real(0)));
    Cut<Order> cut = {0, k};
    for (int shift = 8 * sizeof(Real) - DIGIT_BITS; shift >= 0; shift -= DIGIT_BITS) {
        for (int i = lane(); i < DIGITS; i += LANES) counts[i] = 0;
        __syncwarp();
        for (Index column = lane(); column < columns; column += LANES) {
            const Order order = order_of(row[column]);
            const bool shared = (order ^ cut.last) >> shift < DIGITS;
            if (shared) atomicAdd(counts + (order >> shift) % DIGITS, 1u);
        }
        __syncwarp();
        cut.last |= Order(digit_at(counts, cut.ties)) << shift;
        __syncwarp();  // before the counts are used again
    }
    return cut;
}

// The lanes before this one.
__device__ inline unsigned before() { return (1u << lane()) - 1; }

// Whether this lane's column is chosen. The warp comes here with LANES columns after the other.
template <typename Real, typename Order>
__device__ inline bool is_chosen(const Real* row, Index column, Index columns, Cut<Order>& cut) {
    const bool there = column < columns;
    const Order order = there ? order_of(row[column]) : 0;
    const unsigned ties = __ballot_sync(EVERYONE, there && order == cut.last);
    const bool first = there && order == cut.last && __popc(ties & before()) < cut.ties;
    cut.ties -= __popc(ties);
    return order > cut.last || first;
}

__device__ inline unsigned* counts_of_warp() {
    return reinterpret_cast<unsigned*>(shared_memory) + warp() * DIGITS;
}

template <typename Real>
__global__ void topk_mask(const Real* a, Index k, Real* mask, Index rows, Index columns) {
    const Index warps = Index(gridDim.x) * WARPS;
    for (Index r = Index(blockIdx.x) * WARPS + warp(); r < rows; r += warps) {
        const Real* row = a + r * columns;
        auto cut = cut_of(row, columns, k, counts_of_warp());
        for (Index first = 0; first < columns; first += LANES) {
            const Index column = first + lane();
            const bool chosen = is_chosen(row, column, columns, cut);
            if (column < columns) mask[r * columns + column] = chosen ? Real(1) : Real(0);
        }
    }
}

template <typename Real>
__global__ void topk(
    const Real* a, Index k, int* indices, Real* values, Index rows, Index columns
) {
    const Index warps = Index(gridDim.x) * WARPS;
    for (Index r = Index(blockIdx.x) * WARPS + warp(); r < rows; r += warps) {
        const Real* row = a + r * columns;
        auto cut = cut_of(row, columns, k, counts_of_warp());
        Index place = r * k;
        for (Index first = 0; first < columns; first += LANES) {
            const Index column = first + lane();
            const bool chosen = is_chosen(row, column, columns, cut);
            const unsigned all = __ballot_sync(EVERYONE, chosen);
            const Index own = place + __popc(all & before());
            if (chosen) indices[own] = int(column);
            if (chosen) values[own] = row[column];
            place += __popc(all);
        }
    }
}

template <typename Real>
__global__ void sparse_product(
    const int* indices, const Real* values, const Real* w, Real* out, Index rows, Index k,
    Index columns
) {
    const bool whole = in_quads(columns, w), whole_out = in_quads(columns, out);
    for (Index i = thread_number(); i < quads_of(rows, columns); i += thread_count()) {
        const Place at = place_of(i, columns);
        Quad<Real> sum = {};
        for (Index entry = at.row * k; entry < (at.row + 1) * k; ++entry) {
            const Real* row = w + indices[entry] * columns + at.column;
            const Quad<Real> quad = load(row, at.left, whole);
            for (int j = 0; j < QUAD; ++j) sum.at[j] += values[entry] * quad.at[j];
        }
        store(sum, out + at.offset, at.left, whole_out);
    }
}

// The sum of all lanes' values, added in a fixed order.
template <typename Real>
__device__ inline Real warp_sum(Real value) {
    for (int distance = LANES / 2; distance > 0; distance /= 2) {
        value += __shfl_xor_sync(EVERYONE, value, distance);
    }
    return value;
}

template <typename Real>
__global__ void sparse_delta(
    const int* indices, const Real* delta_next, const Real* w, Real* out, Index rows, Index k,
    Index columns
) {
    const bool whole = in_quads(columns, delta_next, w);
    const Index warps = Index(gridDim.x) * WARPS;
    for (Index entry = Index(blockIdx.x) * WARPS + warp(); entry < rows * k; entry += warps) {
        const Real *one = delta_next + entry / k * columns, *other = w + indices[entry] * columns;
        Real sum = 0;
        for (Index at = lane() * QUAD; at < columns; at += TILE_COLUMNS) {
            const Quad<Real> x = load(one + at, columns - at, whole);
            const Quad<Real> y = load(other + at, columns - at, whole);
            for (int j = 0; j < QUAD; ++j) sum += x.at[j] * y.at[j];
        }
        sum = warp_sum(sum);
        if (lane() == 0) out[entry] = sum;
    }
}

// A block marks 32 rows of MARKED units.
__global__ void mark_rows(const int* indices, unsigned* marks, Index rows, Index k, Index units) {
    unsigned* own = reinterpret_cast<unsigned*>(shared_memory);
    const Index across = groups_of(units, MARKED), tiles = groups_of(rows, LANES) * across;
    for (Index tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        const Index word = tile / across, first = tile % across * MARKED;
        const Index count = smaller(MARKED, units - first);
        for (Index i = threadIdx.x; i < count; i += BLOCK) own[i] = 0;
        __syncthreads();
        const Index begin = word * LANES * k, end = smaller(rows, (word + 1) * LANES) * k;
        for (Index entry = begin + threadIdx.x; entry < end; entry += BLOCK) {
            const Index unit = indices[entry] - first;
            if (unit >= 0 && unit < count) atomicOr(own + unit, 1u << (entry / k % LANES));
        }
        __syncthreads();
        // whoever reads a mark clears it for the next tile as well: no barrier is needed between
        for (Index i = threadIdx.x; i < count; i += BLOCK) marks[word * units + first + i] = own[i];
    }
}

// The rows in which a unit is active, one after the other, and where the unit stands in them.
struct Entries {
    const int* indices;
    const unsigned* marks;
    Index rows, k, units, unit;

    __device__ unsigned word(Index number) const { return marks[number * units + unit]; }

    __device__ Index words() const { return groups_of(rows, LANES); }

    // The row of the lowest bit of a word.
    __device__ static Index row_of(Index number, unsigned bits) {
        return number * LANES + __popc((bits & -bits) - 1);
    }

    __device__ Index place_in(Index row) const {
        Index low = row * k, high = low + k - 1;
        while (low < high) {
            const Index middle = (low + high) / 2;
            if (indices[middle] < unit) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    // The sum of factors[r, p] matrix[r] over the rows, in their order, for a quad of columns.
    template <typename Real>
    __device__ Quad<Real> combine(
        const Real* factors, const Real* matrix, Index columns, Index column, Index left, bool whole
    ) const {
        Quad<Real> sum = {};
        for (Index number = 0; number < words(); ++number) {
            for (unsigned bits = word(number); bits; bits &= bits - 1) {
                const Index row = row_of(number, bits);
                const Real factor = factors[place_in(row)];
                const Quad<Real> quad = load(matrix + row * columns + column, left, whole);
                for (int j = 0; j < QUAD; ++j) sum.at[j] += factor * quad.at[j];
            }
        }
        return sum;
    }
};

// A warp for every unit, whose lanes take its words in turns.
template <typename Real, typename F>
__global__ void sparse_hidden_delta(
    Real* delta, const Real* a, const int* indices, const unsigned* marks, Real* bias_gradient,
    bool accumulate, Index rows, Index k, Index units
) {
    const Index warps = Index(gridDim.x) * WARPS;
    for (Index unit = Index(blockIdx.x) * WARPS + warp(); unit < units; unit += warps) {
        const Entries entries = {indices, marks, rows, k, units, unit};
        Real sum = 0;
        for (Index number = lane(); number < entries.words(); number += LANES) {
            for (unsigned bits = entries.word(number); bits; bits &= bits - 1) {
                const Index place = entries.place_in(Entries::row_of(number, bits));
                const Real value = delta[place] * F::slope(a[place], a[place]);
                delta[place] = value;
                sum += value;
            }
        }
        sum = warp_sum(sum);
        if (lane() == 0) bias_gradient[unit] = accumulate ? bias_gradient[unit] + sum : sum;
    }
}

// A warp for every unit and TILE_COLUMNS columns.
template <typename Real>
__global__ void sparse_outer_rows(
    const int* indices, const Real* values, const Real* delta_next, const unsigned* marks,
    Index first, Index count, Real* out, bool accumulate, Index rows, Index k, Index columns,
    Index units
) {
    const bool whole = in_quads(columns, delta_next), whole_out = in_quads(columns, out);
    const Index across = groups_of(columns, TILE_COLUMNS), warps = Index(gridDim.x) * WARPS;
    for (Index i = Index(blockIdx.x) * WARPS + warp(); i < count * across; i += warps) {
        const Index row = i / across, column = i % across * TILE_COLUMNS + lane() * QUAD;
        if (column >= columns) continue;
        const Index left = columns - column;
        const Entries entries = {indices, marks, rows, k, units, first + row};
        Quad<Real> sum = entries.combine(values, delta_next, columns, column, left, whole);
        Real* to = out + row * columns + column;
        if (accumulate) {
            const Quad<Real> old = load(to, left, whole_out);
            for (int j = 0; j < QUAD; ++j) sum.at[j] += old.at[j];
        }
        store(sum, to, left, whole_out);
    }
}

// A block for every TURNED units and TILE_COLUMNS inputs: sums along the inputs, writes along units.
template <typename Real>
__global__ void sparse_outer_columns(
    const Real* inputs, const int* indices, const Real* delta, const unsigned* marks, Index first,
    Index count, Real* out, bool accumulate, Index rows, Index k, Index columns, Index units
) {
    Real* turned = reinterpret_cast<Real*>(shared_memory);
    const bool whole = first % QUAD == 0 && in_quads(columns, inputs);
    const Index across = groups_of(units, TURNED), tiles = groups_of(count, TILE_COLUMNS) * across;
    for (Index tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        const Index top = tile / across * TILE_COLUMNS, unit = tile % across * TURNED;
        const Index own = top + lane() * QUAD, left = count - own;
        for (Index u = warp(); u < smaller(TURNED, units - unit); u += WARPS) {
            if (left <= 0) break;
            const Entries entries = {indices, marks, rows, k, units, unit + u};
            const bool at_once = whole && left >= QUAD;
            const auto sum = entries.combine(delta, inputs, columns, first + own, left, at_once);
            for (int j = 0; j < QUAD; ++j) turned[u * TURNED_PITCH + lane() * QUAD + j] = sum.at[j];
        }
        __syncthreads();
        for (Index i = warp(); i < smaller(TILE_COLUMNS, count - top); i += WARPS) {
            if (unit + lane() >= units) break;
            Real* to = out + (top + i) * units + unit + lane();
            const Real sum = turned[lane() * TURNED_PITCH + i];
            *to = accumulate ? *to + sum : sum;
        }
        __syncthreads();  // before shared memory is used again
    }
}
