#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "microscope/case.h"

namespace thaw::microscope {

/// What inputs are filled with. Small integers make every product and sum of a linear operation exact.
enum class Fill { reals, integers };

/// A case's operands on a backend, each between two guard bands. Inputs are functions of (seed, operand, element);
/// outputs are full of NaN until the call writes them.
class Specimen {
 public:
  Specimen(Backend& backend, const Case& subject, std::uint64_t seed);
  ~Specimen();
  Specimen(const Specimen&) = delete;
  Specimen& operator=(const Specimen&) = delete;

  /// Draws the inputs, and resets.
  void fill(Fill fill);
  /// Puts the drawn inputs back on the device and poisons outputs and bands.
  void reset();
  /// The call on these operands.
  [[nodiscard]] BoundCall bind();

  /// Operand `i` as it was drawn; empty for outputs.
  [[nodiscard]] const HostArray& drawn(std::size_t i) const { return drawn_[i]; }
  /// Operand `i` as it is on the device now. Waits.
  [[nodiscard]] HostArray now(std::size_t i) const;
  /// Digest of everything that the call writes, as it is now: equal bits, equal digest.
  [[nodiscard]] std::string digest() const;
  /// What the call did that it must not do: wrote outside an operand, changed an input. Empty: nothing.
  [[nodiscard]] std::vector<std::string> violations() const;

 private:
  void draw(std::size_t i, Fill fill);

  Backend& backend_;
  const Case& subject_;
  std::uint64_t seed_;
  std::vector<std::byte*> blocks_;
  std::vector<HostArray> drawn_;
};

/// Positions on a case's axis that a check looks at: all, or about `wanted` of them, the first and the last among them
/// and the others at random, sorted.
std::vector<std::int64_t> positions(std::int64_t extent, std::int64_t wanted, std::uint64_t seed);

/// The elements of an operand at these positions, or all of one that is not cut.
HostArray part_of(const HostArray& whole, const Operand& operand, const std::vector<std::int64_t>& positions);

}  // namespace thaw::microscope
