#include "tests/onnx/table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace thaw::test {

namespace {

/// More names than this are not printed: the reason says which they are.
constexpr std::size_t kMostNames = 8;

std::string run_in_row(const Judged& judged, Row& row) {
  std::string wrong;
  bool partly = false;
  ++row.applicable;
  for (const Device& device : usable_devices()) {
    if (!judged.runs_in(device.dtype)) continue;
    const auto comparison = run_and_compare(device, judged.published);
    if (!comparison) continue;
    row.worst[device.name] = std::max(row.worst[device.name], comparison->worst);
    row.passed[device.name] += comparison->difference.empty() ? 1 : 0;
    partly = partly || comparison->left_out > 0;
    if (comparison->difference.empty()) continue;
    wrong += fmt::format("{} on {}: {}\n", judged.published.text(), device.name, comparison->difference);
  }
  row.partly += partly ? 1 : 0;
  return wrong;
}

std::string text_of(const std::string& op, const Row& row) {
  std::string out = fmt::format("{:<26}{:>3} of {:>3} apply", op, row.applicable, row.listed());
  for (const auto& [device, count] : row.passed) {
    out += fmt::format("; {} passed on {} within {:.1e}", count, device, row.worst.at(device));
  }
  if (row.partly > 0) out += fmt::format("; {} have an output that thaw has not", row.partly);
  for (const auto& [reason, names] : row.not_run) {
    out += fmt::format("\n    {:>3} not: {}", names.size(), reason);
    if (names.size() <= kMostNames) out += fmt::format(" ({})", fmt::join(names, ", "));
  }
  return out + "\n";
}

}  // namespace

std::size_t Row::listed() const {
  std::size_t out = applicable;
  for (const auto& [reason, names] : not_run) out += names.size();
  return out;
}

std::string Table::add(const Judged& judged) {
  const Verdict& verdict = judged.verdict;
  switch (verdict.kind) {
    case Verdict::Kind::runs: return run_in_row(judged, rows_[verdict.op]);
    case Verdict::Kind::no_such_op: ++no_such_op_[verdict.op]; return "";
    case Verdict::Kind::not_applicable:
      rows_[verdict.op].not_run[verdict.reason].push_back(judged.published.name);
      return verdict.reason.empty() ? judged.published.text() + ": not applicable without a reason\n" : "";
  }
  return "";
}

std::size_t Table::listed() const {
  std::size_t out = 0;
  for (const auto& [op, row] : rows_) out += row.listed();
  for (const auto& [op, count] : no_such_op_) out += count;
  return out;
}

std::size_t Table::passed(const std::string& device) const {
  std::size_t out = 0;
  for (const auto& [op, row] : rows_) out += row.passed.count(device) > 0 ? row.passed.at(device) : 0;
  return out;
}

std::string Table::text() const {
  std::string out;
  std::size_t applicable = 0;
  std::size_t of_known_ops = 0;
  for (const auto& [op, row] : rows_) {
    out += text_of(op, row);
    applicable += row.applicable;
    of_known_ops += row.listed();
  }
  std::vector<std::string> others;
  for (const auto& [op, count] : no_such_op_) others.push_back(fmt::format("{} {}", op, count));
  out += fmt::format("\nthaw has no such op: {}\n", fmt::join(others, ", "));
  out += fmt::format("\n{} cases: {} apply, {} do not, {} are of ops that thaw does not have\n", listed(), applicable,
                     of_known_ops - applicable, listed() - of_known_ops);
  for (const Device& device : usable_devices()) {
    out += fmt::format("{} passed on {} in {}\n", passed(device.name), device.name, name_of(device.dtype));
  }
  return out;
}

}  // namespace thaw::test
