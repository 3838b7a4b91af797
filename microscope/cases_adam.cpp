#include <charconv>

#include "kernels/error.h"
#include "microscope/families.h"
#include "microscope/operands.h"
#include "microscope/parameter_counts.h"
#include "microscope/text_reader.h"

namespace thaw::microscope {

namespace {

constexpr std::string_view kExample = "adam_2x1000+1x2048000";

std::map<std::int64_t, std::int64_t> parse(std::string_view text) {
  TextReader in(text, "adam", kExample);
  in.take("adam_");
  std::map<std::int64_t, std::int64_t> counts;
  std::int64_t slots = 0;
  do {
    const std::int64_t first = in.number();
    const bool several = in.take("x");
    const std::int64_t count = several ? in.number() : first;
    const std::int64_t times = several ? first : 1;
    slots += times;
    if (slots > 100'000) in.reject();
    counts[count] += times;
  } while (in.take("+"));
  in.finish();
  return counts;
}

Case make(const std::string& text, const std::string& direction) {
  using Use = Operand::Use;
  Case out{.family = "adam", .problem = text, .direction = direction};
  std::vector<std::int64_t> counts;
  for (const auto& [count, times] : parse(text)) counts.insert(counts.end(), static_cast<std::size_t>(times), count);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto slot = [&](const char* name, Use use) {
      return whole(fmt::format("{}{}", name, i), use, Dtype::f32, counts[i]);
    };
    out.operands.push_back(slot("w", Use::inout));
    out.operands.push_back(slot("g", Use::input));
    out.operands.push_back(between(-0.1, 0.1, slot("m", Use::inout)));
    out.operands.push_back(between(0, 0.1, slot("v", Use::inout)));
    out.work += 20.0 * static_cast<double>(counts[i]);
  }
  out.bytes = bytes_once(out.operands);
  out.bind = [counts](const Arguments& to) -> std::function<void()> {
    std::vector<UpdateSlot> slots;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      slots.push_back({.w = to.at[4 * i],
                       .g = to.at[4 * i + 1],
                       .state1 = to.at[4 * i + 2],
                       .state2 = to.at[4 * i + 3],
                       .count = counts[i]});
    }
    return [slots, master = master_dtype(to.dtype), &backend = to.backend] {
      backend.adam(master, slots, {.lr = 1e-3, .step = 3});
    };
  };
  return out;
}

std::string canonical(std::string_view text, const Wishes& wishes) {
  if (wishes.batch) fail(ErrorKind::usage, "--batch does not go with adam: parameters have no images");
  return adam_text(parse(text));
}

std::vector<std::string> directions_of(const std::string&) { return {"update"}; }

}  // namespace

std::string adam_text(const std::map<std::int64_t, std::int64_t>& counts) {
  std::string text = "adam_";
  for (const auto& [count, times] : counts) {
    text += fmt::format("{}{}x{}", text.ends_with('_') ? "" : "+", times, count);
  }
  return text;
}

Family adam_family() {
  return {.name = "adam",
          .summary = "Adam over all parameters in one call",
          .example = std::string(kExample),
          .directions = {"update"},
          .canonical = canonical,
          .directions_of = directions_of,
          .make = make};
}

}  // namespace thaw::microscope
