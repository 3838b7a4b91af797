#include "tests/kernels/op_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/pointwise.h"

namespace thaw::tests {

namespace {

constexpr std::size_t kBand = 64;
constexpr std::byte kPoison{0xFF};

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char letter : text) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3ULL;
  return hash;
}

template <class T>
void put(const std::vector<double>& values, std::vector<std::byte>& bytes) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value;
    if constexpr (std::is_same_v<T, bf16>) {
      value = bf16(static_cast<float>(values[i]));
    } else {
      value = static_cast<T>(values[i]);
    }
    std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
  }
}

template <class T>
void take(const std::vector<std::byte>& bytes, std::vector<double>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    if constexpr (std::is_same_v<T, bf16>) {
      values[i] = static_cast<double>(static_cast<float>(value));
    } else {
      values[i] = static_cast<double>(value);
    }
  }
}

}  // namespace

std::vector<std::byte> encode(Dtype dtype, const std::vector<double>& values) {
  std::vector<std::byte> bytes(values.size() * size_of(dtype));
  switch (dtype) {
    case Dtype::f64: put<double>(values, bytes); break;
    case Dtype::f32: put<float>(values, bytes); break;
    case Dtype::bf16: put<bf16>(values, bytes); break;
    case Dtype::u8: put<std::uint8_t>(values, bytes); break;
    case Dtype::i32: put<std::int32_t>(values, bytes); break;
  }
  return bytes;
}

std::vector<double> decode(Dtype dtype, const std::vector<std::byte>& bytes) {
  std::vector<double> values(bytes.size() / size_of(dtype));
  switch (dtype) {
    case Dtype::f64: take<double>(bytes, values); break;
    case Dtype::f32: take<float>(bytes, values); break;
    case Dtype::bf16: take<bf16>(bytes, values); break;
    case Dtype::u8: take<std::uint8_t>(bytes, values); break;
    case Dtype::i32: take<std::int32_t>(bytes, values); break;
  }
  return values;
}

OpRun::OpRun(Backend& backend, std::string_view case_name, Dtype tested, Dtype stored, Fill fill)
    : backend_(backend), case_name_(case_name), tested_(tested), stored_(stored), fill_(fill) {}

OpRun::~OpRun() {
  for (const Buffer& buffer : buffers_) backend_.release(buffer.block);
}

Dtype OpRun::storage(Role role) const { return role == Role::activation ? stored_ : master_dtype(stored_); }

Dtype OpRun::precision(Role role) const { return role == Role::master ? master_dtype(tested_) : tested_; }

const void* OpRun::input(Role role, std::string_view name, std::int64_t count, Range range) {
  return add(name, storage(role), Kind::input, encode(storage(role), draw(name, count, range, precision(role))));
}

void* OpRun::output(Role role, std::string_view name, std::int64_t count) {
  return typed_output(name, storage(role), count);
}

void* OpRun::inout(Role role, std::string_view name, std::int64_t count, Range range) {
  return add(name, storage(role), Kind::inout, encode(storage(role), draw(name, count, range, precision(role))));
}

const void* OpRun::given(std::string_view name, Dtype dtype, const std::vector<double>& values) {
  return add(name, dtype, Kind::input, encode(dtype, values));
}

void* OpRun::typed_output(std::string_view name, Dtype dtype, std::int64_t count) {
  return add(name, dtype, Kind::output,
             std::vector<std::byte>(static_cast<std::size_t>(count) * size_of(dtype), kPoison));
}

std::vector<double> OpRun::draw(std::string_view name, std::int64_t count, Range range, Dtype precision) const {
  const std::uint64_t seed = fnv1a(fmt::format("{}/{}", case_name_, name));
  // bf16 holds integers up to 256: -1, 0 and 1 keep nearly every sum below that, and all of them below 2^24.
  const double largest = tested_ == Dtype::bf16 ? 1 : 2;
  std::vector<double> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double u = static_cast<double>(pointwise::random_bits(seed, i) >> 11) * 0x1.0p-53;
    values[i] = fill_ == Fill::integers ? std::floor(u * (2 * largest + 1)) - largest
                                        : range.low + u * (range.high - range.low);
  }
  return decode(precision, encode(precision, values));
}

void OpRun::record(std::string_view name, Dtype dtype, const std::vector<double>& values) {
  recorded_.push_back({std::string(name), dtype, values, encode(dtype, values)});
}

void* OpRun::add(std::string_view name, Dtype dtype, Kind kind, const std::vector<std::byte>& contents) {
  std::vector<std::byte> image(contents.size() + 2 * kBand, kPoison);
  std::copy(contents.begin(), contents.end(), image.begin() + kBand);
  auto* block = static_cast<std::byte*>(backend_.allocate(image.size()));
  buffers_.push_back({std::string(name), dtype, kind, block, std::move(image)});
  backend_.upload(block, buffers_.back().image.data(), buffers_.back().image.size());
  return block + kBand;
}

void OpRun::check_bands(const Buffer& buffer, const std::vector<std::byte>& now) {
  const auto broken = [](auto first) { return std::any_of(first, first + kBand, [](auto b) { return b != kPoison; }); };
  if (broken(now.begin())) violations_.push_back(fmt::format("wrote before '{}'", buffer.name));
  if (broken(now.end() - kBand)) violations_.push_back(fmt::format("wrote behind '{}'", buffer.name));
  if (buffer.kind == Kind::input && now != buffer.image) {
    violations_.push_back(fmt::format("changed its input '{}'", buffer.name));
  }
}

std::vector<OpResult> OpRun::results() {
  backend_.synchronize();
  std::vector<OpResult> results = recorded_;
  for (const Buffer& buffer : buffers_) {
    std::vector<std::byte> now(buffer.image.size());
    backend_.download(now.data(), buffer.block, now.size());
    check_bands(buffer, now);
    if (buffer.kind == Kind::input) continue;
    std::vector<std::byte> contents(now.begin() + kBand, now.end() - kBand);
    results.push_back({buffer.name, buffer.dtype, decode(buffer.dtype, contents), std::move(contents)});
  }
  return results;
}

}  // namespace thaw::tests
