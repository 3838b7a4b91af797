#include "microscope/specimen.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "kernels/digest.h"
#include "kernels/error.h"
#include "kernels/pointwise.h"

namespace thaw::microscope {

namespace {

// Wide enough for an overrun of a few rows of a tile; a multiple of every alignment that a backend may want.
constexpr std::size_t kBand = 4096;
constexpr std::byte kPoison{0xFF};  // all bits set is a NaN in f64, f32 and bf16

std::uint64_t fnv1a(std::string_view text, std::uint64_t hash) {
  for (const char letter : text) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3ULL;
  return hash;
}

std::size_t bytes_of(const Operand& operand) {
  return static_cast<std::size_t>(operand.count()) * size_of(operand.dtype);
}

/// bf16 holds whole numbers up to 256: with -1, 0 and 1 nearly every sum stays below.
double largest_integer(Dtype precision) { return precision == Dtype::bf16 ? 1 : 2; }

double narrowed(Dtype precision, double value) {
  if (precision == Dtype::bf16) return static_cast<double>(static_cast<float>(bf16(static_cast<float>(value))));
  return value;
}

}  // namespace

Specimen::Specimen(Backend& backend, const Case& subject, std::uint64_t seed)
    : backend_(backend), subject_(subject), seed_(seed), drawn_(subject.operands.size()) {
  blocks_.reserve(subject.operands.size());
  try {
    for (const Operand& operand : subject.operands) {
      blocks_.push_back(static_cast<std::byte*>(backend.allocate(bytes_of(operand) + 2 * kBand)));
    }
  } catch (...) {
    for (std::byte* block : blocks_) backend_.release(block);
    throw;
  }
}

Specimen::~Specimen() {
  for (std::byte* block : blocks_) backend_.release(block);
}

void Specimen::fill(Fill fill) {
  for (std::size_t i = 0; i < drawn_.size(); ++i) {
    if (subject_.operands[i].use != Operand::Use::output) draw(i, fill);
  }
  if (subject_.mend) subject_.mend(drawn_);
  reset();
}

void Specimen::draw(std::size_t i, Fill fill) {
  const Operand& operand = subject_.operands[i];
  const std::uint64_t seed = fnv1a(operand.name, seed_ ^ 0xcbf29ce484222325ULL);
  const double largest = largest_integer(subject_.dtype);
  const Range range = operand.range;
  drawn_[i] = HostArray(operand.dtype, operand.count());
  HostArray& values = drawn_[i];
  const std::int64_t count = operand.count();
#pragma omp parallel for schedule(static)
  for (std::int64_t at = 0; at < count; ++at) {
    const double u =
        static_cast<double>(pointwise::random_bits(seed, static_cast<std::uint64_t>(at)) >> 11) * 0x1.0p-53;
    const double value =
        fill == Fill::integers ? std::floor(u * (2 * largest + 1)) - largest : range.low + u * (range.high - range.low);
    values.set(at, narrowed(operand.precision, value));
  }
}

void Specimen::reset() {
  const std::vector<std::byte> band(kBand, kPoison);
  std::vector<std::byte> poison;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const Operand& operand = subject_.operands[i];
    const std::size_t bytes = bytes_of(operand);
    backend_.upload(blocks_[i], band.data(), kBand);
    if (operand.use == Operand::Use::output) poison.assign(bytes, kPoison);
    const std::vector<std::byte>& contents = operand.use == Operand::Use::output ? poison : drawn_[i].bytes();
    backend_.upload(blocks_[i] + kBand, contents.data(), bytes);
    backend_.upload(blocks_[i] + kBand + bytes, band.data(), kBand);
  }
}

BoundCall Specimen::bind() {
  Arguments arguments{.backend = backend_, .dtype = subject_.dtype, .extent = subject_.extent, .at = {}};
  for (std::byte* block : blocks_) arguments.at.push_back(block + kBand);
  return subject_.bind(arguments);
}

HostArray Specimen::now(std::size_t i) const {
  const Operand& operand = subject_.operands[i];
  HostArray values(operand.dtype, operand.count());
  backend_.synchronize();
  backend_.download(values.bytes().data(), blocks_[i] + kBand, values.bytes().size());
  return values;
}

std::string Specimen::digest() const {
  Sha256 digest;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    if (subject_.operands[i].use == Operand::Use::input) continue;
    const HostArray values = now(i);
    digest.add(std::span(reinterpret_cast<const std::uint8_t*>(values.bytes().data()), values.bytes().size()));
  }
  return digest.hex();
}

std::vector<std::string> Specimen::violations() const {
  backend_.synchronize();
  std::vector<std::string> found;
  std::vector<std::byte> band(kBand);
  const auto broken = [&band] { return std::any_of(band.begin(), band.end(), [](auto b) { return b != kPoison; }); };
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const Operand& operand = subject_.operands[i];
    backend_.download(band.data(), blocks_[i], kBand);
    if (broken()) found.push_back(fmt::format("wrote before '{}'", operand.name));
    backend_.download(band.data(), blocks_[i] + kBand + bytes_of(operand), kBand);
    if (broken()) found.push_back(fmt::format("wrote behind '{}'", operand.name));
    if (operand.use == Operand::Use::input && now(i).bytes() != drawn_[i].bytes()) {
      found.push_back(fmt::format("changed its input '{}'", operand.name));
    }
  }
  return found;
}

std::vector<std::int64_t> positions(std::int64_t extent, std::int64_t wanted, std::uint64_t seed) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(std::min(extent, std::max<std::int64_t>(wanted, 1))));
  if (wanted >= extent) {
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  // One from each of `wanted` equal stretches: no position twice, all parts of the axis.
  const auto share = static_cast<double>(extent) / static_cast<double>(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double u = pointwise::uniform(seed, i);
    const auto low = static_cast<std::int64_t>(static_cast<double>(i) * share);
    const auto high = static_cast<std::int64_t>(static_cast<double>(i + 1) * share);
    all[i] = std::min(low + static_cast<std::int64_t>(u * static_cast<double>(high - low)), high - 1);
  }
  if (all.size() > 1) {
    all.front() = 0;
    all.back() = extent - 1;
  }
  return all;
}

HostArray part_of(const HostArray& whole, const Operand& operand, const std::vector<std::int64_t>& positions) {
  if (!operand.cut || static_cast<std::int64_t>(positions.size()) == operand.extent) return whole;
  const auto taken = static_cast<std::int64_t>(positions.size());
  HostArray part(operand.dtype, operand.outer * taken * operand.inner);
  const std::size_t run = static_cast<std::size_t>(operand.inner) * size_of(operand.dtype);
#pragma omp parallel for schedule(static)
  for (std::int64_t outer = 0; outer < operand.outer; ++outer) {
    for (std::size_t i = 0; i < positions.size(); ++i) {
      const auto to = static_cast<std::size_t>(outer) * positions.size() + i;
      const auto from = static_cast<std::size_t>(outer * operand.extent + positions[i]);
      std::memcpy(part.bytes().data() + to * run, whole.bytes().data() + from * run, run);
    }
  }
  return part;
}

}  // namespace thaw::microscope
