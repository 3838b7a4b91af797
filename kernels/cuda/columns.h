#pragma once

#include <type_traits>

#include "kernels/cuda/kernels.h"
#include "kernels/cuda/vectors.h"

namespace thaw::cuda {

// Sums down the columns of (segments, rows, C) arrays in a fixed order, in one launch. What is summed is an `Op`:
//   struct Sum;                       trivially copyable, with merge(const Sum&)
//   template <int V> struct Channels; what a thread keeps for its V channels
//   load<V>(segment, channel) -> Channels<V>
//   add<V>(channels, element, sums)   the V elements at offset `element` join sums[0..V)
//   finish(segment, channel, sum)     gets each column's sum once

namespace columns {

/// A block's sums down its y dimension, into the first row. Every thread of the block must call it.
template <class Sum>
__device__ void merge_rows(Sum* tile, int lanes, int width) {
  for (unsigned step = blockDim.y / 2; step > 0; step /= 2) {
    __syncthreads();
    if (threadIdx.y < step) {
      for (int i = 0; i < width; ++i) {
        const unsigned lane = threadIdx.x + static_cast<unsigned>(i * lanes);
        const unsigned row = static_cast<unsigned>(lanes * width);
        tile[threadIdx.y * row + lane].merge(tile[(threadIdx.y + step) * row + lane]);
      }
    }
  }
  __syncthreads();
}

/// Grid: (channels, chunks of rows, segments). The block that comes last to its channels merges what all chunks found,
/// in their order, so which block that is changes nothing.
template <int V, class Op>
__global__ void reduce(Op op, std::int64_t rows, int c, std::int64_t chunk_rows, typename Op::Sum* partial,
                       unsigned* tickets) {
  using Sum = typename Op::Sum;
  __shared__ Sum tile[Tile::threads * V];
  __shared__ bool last;
  const auto lanes = static_cast<int>(blockDim.x);
  const int channel = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) * V;
  const bool inside = channel < c;
  const std::int64_t segment = blockIdx.z;
  const unsigned chunks = gridDim.y;
  const std::int64_t first_row = std::int64_t{blockIdx.y} * chunk_rows;
  const std::int64_t end_row = first_row + chunk_rows < rows ? first_row + chunk_rows : rows;

  Sum sums[V] = {};
  if (inside) {
    const auto channels = op.template load<V>(segment, channel);
#pragma unroll 4
    for (std::int64_t row = first_row + threadIdx.y; row < end_row; row += blockDim.y) {
      op.template add<V>(channels, (segment * rows + row) * c + channel, sums);
    }
  }
  Sum* mine = tile + (threadIdx.y * blockDim.x * V + threadIdx.x);
  for (int i = 0; i < V; ++i) mine[i * lanes] = sums[i];
  merge_rows(tile, lanes, V);
  if (chunks == 1) {
    if (inside && threadIdx.y == 0) {
      for (int i = 0; i < V; ++i) op.finish(segment, channel + i, mine[i * lanes]);
    }
    return;
  }

  Sum* found = partial + segment * chunks * c + channel;
  if (inside && threadIdx.y == 0) {
    for (int i = 0; i < V; ++i) found[std::int64_t{blockIdx.y} * c + i] = mine[i * lanes];
  }
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0 && threadIdx.y == 0) {
    unsigned* ticket = tickets + blockIdx.z * gridDim.x + blockIdx.x;
    last = atomicAdd(ticket, 1) == chunks - 1;
    if (last) *ticket = 0;
  }
  __syncthreads();
  if (!last) return;
  __threadfence();
  for (int i = 0; i < V; ++i) sums[i] = Sum{};
  if (inside) {
    for (unsigned chunk = threadIdx.y; chunk < chunks; chunk += blockDim.y) {
      for (int i = 0; i < V; ++i) sums[i].merge(found[std::int64_t{chunk} * c + i]);
    }
  }
  for (int i = 0; i < V; ++i) mine[i * lanes] = sums[i];
  merge_rows(tile, lanes, V);
  if (inside && threadIdx.y == 0) {
    for (int i = 0; i < V; ++i) op.finish(segment, channel + i, mine[i * lanes]);
  }
}

}  // namespace columns

/// Reduces (segments, rows, C) over rows; bytes moved: every element that `op` reads, once.
template <int V, class Op>
void reduce_columns(Workspace& work, const char* name, std::int64_t segments, std::int64_t rows, int c, const Op& op) {
  using Sum = typename Op::Sum;
  const Tile tile(c, V);
  // Enough blocks to fill the GPU twice over, none with fewer than eight rows a thread.
  const std::int64_t wanted = 2 * std::int64_t{work.multiprocessors()} / (std::int64_t{tile.across()} * segments);
  const std::int64_t useful = ceil_div(rows, tile.rows() * 8);
  const std::int64_t columns_of_blocks = segments * tile.across();
  const bool countable = columns_of_blocks <= Workspace::most_tickets;
  const std::int64_t chunks = countable ? std::max<std::int64_t>(std::min(wanted, useful), 1) : 1;
  const std::int64_t chunk_rows = ceil_div(rows, chunks);
  const auto used = ceil_div(rows, chunk_rows);
  const auto cells = static_cast<std::size_t>(segments) * used * static_cast<std::size_t>(c);
  auto* partial = static_cast<Sum*>(used > 1 ? work.scratch(cells * sizeof(Sum)) : nullptr);
  unsigned* tickets = used > 1 ? work.tickets() : nullptr;
  launch({work.stream(), name, {tile.across(), used, static_cast<unsigned>(segments)}, tile.block()},
         columns::reduce<V, Op>, op, rows, c, chunk_rows, partial, tickets);
}

/// A plain sum. `W` is the type of addition.
template <class W>
struct PlainSum {
  W value;
  __device__ void merge(const PlainSum& other) { value += other.value; }
};

/// What an op keeps where it keeps nothing.
template <int V>
struct NoChannels {};

}  // namespace thaw::cuda
