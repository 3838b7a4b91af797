#include "app/trace_compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "app/options.h"
#include "kernels/error.h"

namespace thaw {

namespace {

/// Half a unit of the ninth significant digit.
double rounding_of(double golden) {
  if (golden == 0 || !std::isfinite(golden)) return 0;
  return 0.5 * std::pow(10.0, std::floor(std::log10(std::abs(golden))) - 8);
}

/// Collects differences and remembers the first that is too large.
class Judge {
 public:
  explicit Judge(const TraceTolerance& tolerance) : tolerance_(tolerance) {}

  void check(const std::string& where, double found, double golden, double scale, bool late) {
    const double relative = late ? tolerance_.late_rtol : tolerance_.rtol;
    const double absolute = tolerance_.atol + (late ? tolerance_.late_atol : 0);
    const double allowed = relative * std::max(scale, std::abs(golden)) + absolute + rounding_of(golden);
    const double difference = std::abs(found - golden);
    ++result.compared;
    if (difference / allowed > result.worst || std::isnan(difference)) {
      result.worst = difference / allowed;
      result.worst_at = where;
    }
    if (!(difference <= allowed) && !result.divergence) {
      result.divergence =
          fmt::format("{} is {:.9g}, the golden value is {:.9g}: a difference of {:.2g}, allowed {:.2g}", where, found,
                      golden, difference, allowed);
    }
  }

  void exact(const std::string& where, double found, double golden) {
    ++result.compared;
    if (found != golden && !result.divergence) {
      result.divergence = fmt::format("{} is {:.9g}, the golden value is {:.9g}", where, found, golden);
    }
  }

  void off(const std::string& sentence) {
    if (!result.divergence) result.divergence = sentence;
  }

  TraceComparison result;

 private:
  TraceTolerance tolerance_;
};

/// Columns of a variable's row.
constexpr std::size_t kCount = 0, kGradient = 1, kPost = 5;

double scale_of(TraceKind kind, const TraceRow& golden, std::size_t column) {
  const auto value = [&golden](std::size_t i) { return golden.values[i].value_or(0); };
  if (kind == TraceKind::layers) return std::hypot(value(1), value(2));  // mean, std: the root mean square
  const std::size_t group = column < kPost ? kGradient : kPost;
  const double l2 = value(group);
  const double root = std::sqrt(std::max(value(kCount), 1.0));
  if (column == group) return l2;
  return column == group + 1 ? l2 * root : 4 * l2 / root;
}

/// The l2 of all gradients of a table together.
double whole_gradient(const TraceTable& table) {
  double squares = 0;
  if (table.kind == TraceKind::variables) {
    for (const TraceRow& row : table.rows) squares += std::pow(row.values[kGradient].value_or(0), 2);
  }
  return std::sqrt(squares);
}

bool is_noise(const TraceTable& golden, const TraceRow& row, double whole) {
  return golden.kind == TraceKind::variables && row.values[kGradient] && *row.values[kGradient] < 1e-11 * whole;
}

void compare_noise(Judge& judge, const TraceRow& found, const TraceRow& golden, double whole) {
  const std::string where = fmt::format("variable '{}': grad1_l2 (truly 0)", golden.name);
  judge.check(where, found.values[kGradient].value_or(std::nan("")), *golden.values[kGradient], whole, false);
}

void compare_rows(Judge& judge, TraceKind kind, const TraceRow& found, const TraceRow& golden) {
  const std::vector<std::string>& columns = trace_columns(kind);
  const char* what = kind == TraceKind::layers ? "layer" : "variable";
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::string where = fmt::format("{} '{}': {}", what, golden.name, columns[i]);
    if (found.values[i].has_value() != golden.values[i].has_value()) {
      judge.off(fmt::format("{} {}, but the golden trace has {}", where, found.values[i] ? "has a value" : "is empty",
                            golden.values[i] ? "one" : "none"));
    } else if (golden.values[i] && i == kCount) {
      judge.exact(where, *found.values[i], *golden.values[i]);
    } else if (golden.values[i]) {
      const bool late = kind == TraceKind::variables && i >= kPost;
      judge.check(where, *found.values[i], *golden.values[i], scale_of(kind, golden, i), late);
    }
  }
}

void check_number(Judge& judge, const std::string& where, const nlohmann::json& found, const nlohmann::json& golden,
                  double scale, bool late) {
  if (golden.is_null()) return;
  if (!found.is_number())
    return judge.off(fmt::format("{} is {}, the golden value is {}", where, found.dump(), golden.dump()));
  judge.check(where, found.get<double>(), golden.get<double>(), scale, late);
}

void check_probabilities(Judge& judge, const std::string& where, const nlohmann::json& found,
                         const nlohmann::json& golden, bool late) {
  for (std::size_t i = 0; i < golden.size(); ++i) {
    check_number(judge, fmt::format("{}, class {}", where, i), found.at(i), golden.at(i),
                 1.0 / static_cast<double>(golden.size()), late);
  }
}

void compare_steps(Judge& judge, const nlohmann::json& found, const nlohmann::json& golden) {
  const auto count = [](const nlohmann::json& report) { return static_cast<double>(report.at("steps").size()); };
  judge.exact("the number of steps", count(found), count(golden));
  for (std::size_t i = 0; i < std::min(found.at("steps").size(), golden.at("steps").size()); ++i) {
    const nlohmann::json& ours = found.at("steps").at(i);
    const nlohmann::json& theirs = golden.at("steps").at(i);
    const std::string step = fmt::format("step {}: ", i + 1);
    for (const char* key : {"loss_from_logits", "loss_clipped_probs", "grad_global_l2"}) {
      check_number(judge, step + key, ours.at(key), theirs.at(key), 0, i > 0);
    }
    if (i == 0) judge.exact(step + "acc", ours.at("acc").get<double>(), theirs.at("acc").get<double>());
    check_probabilities(judge, step + "probs_row0", ours.at("probs_row0"), theirs.at("probs_row0"), i > 0);
  }
}

}  // namespace

TraceTolerance TraceTolerance::of(Dtype dtype, double moved) {
  switch (dtype) {
    case Dtype::f64: return {.rtol = 1e-9, .late_rtol = 1e-9};
    case Dtype::bf16: return {.rtol = 5e-2, .late_rtol = 2e-1, .late_atol = moved};
    default: return {.rtol = 2e-5, .late_rtol = 2e-2, .late_atol = moved};
  }
}

TraceComparison compare_traces(const TraceTable& found, const TraceTable& golden, const TraceTolerance& tolerance) {
  Judge judge(tolerance);
  if (found.kind != golden.kind) {
    fail(ErrorKind::usage, "a trace of layers cannot be compared with one of variables; give --steps for variables");
  }
  const double whole = whole_gradient(golden);
  for (const TraceRow& row : golden.rows) {
    const TraceRow* ours = found.find(row.name);
    if (ours == nullptr) {
      judge.off(fmt::format("'{}' is in the golden trace, but the network has no such thing", row.name));
    } else if (is_noise(golden, row, whole)) {
      compare_noise(judge, *ours, row, whole);
      ++judge.result.noise;
    } else {
      compare_rows(judge, golden.kind, *ours, row);
    }
  }
  if (found.rows.size() != golden.rows.size()) {
    judge.off(fmt::format("the trace has {} rows, the golden one {}", found.rows.size(), golden.rows.size()));
  }
  return judge.result;
}

TraceComparison compare_reports(const nlohmann::json& found, const nlohmann::json& golden,
                                const TraceTolerance& tolerance) {
  Judge judge(tolerance);
  try {
    for (const char* key : {"n_trainable_tensors", "n_trainable_params"}) {
      judge.exact(key, found.at(key).get<double>(), golden.at(key).get<double>());
    }
    compare_steps(judge, found, golden);
    for (const char* key : {"after_eval_loss_from_logits", "after_eval_loss_clipped_probs"}) {
      check_number(judge, key, found.at(key), golden.at(key), 0, true);
    }
    check_probabilities(judge, "after_eval_probs_row0", found.at("after_eval_probs_row0"),
                        golden.at("after_eval_probs_row0"), true);
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::data, "the golden report cannot be read ({}); it should be one that `thaw trace --json` wrote",
         reason_of(error));
  }
  return judge.result;
}

}  // namespace thaw
