#include <algorithm>
#include <cmath>

#include "kernels/error.h"
#include "microscope/families.h"
#include "microscope/operands.h"
#include "microscope/text_reader.h"

namespace thaw::microscope {

namespace {

constexpr std::string_view kExample =
    "act_relu_count100352, add_count100352, scale_n32hw49c960, cast_f32_to_bf16_count100352, "
    "squeeze_excite_n32c960h7w7k240, preprocess_n32hw50176+bgr:u8, softmax_n32k1000, dropout_count40960 or "
    "pad_n32h112w112c64p0.1.0.1";
constexpr double kDropoutRate = 0.2;

enum class Op { act, add, scale, squeeze_excite, cast, preprocess, softmax, dropout, pad };

/// Any element-wise problem; only the fields of its op count.
struct Problem {
  Op op = Op::act;
  Act act = Act::linear;
  int n = 1, h = 1, w = 1, c = 1;  // hw is h
  int k = 1;                       // squeezed channels
  std::int64_t count = 1;
  bool bgr = false;
  Pad pad = {};
  Dtype from = Dtype::f32;  // cast, preprocess
  Dtype dtype = Dtype::f32;
  bool typed = false;

  [[nodiscard]] SqueezeExciteProblem squeeze_excite() const {
    return {.n = n, .c = c, .h = h, .w = w, .k = k, .dtype = dtype};
  }
  [[nodiscard]] std::string text() const;
};

std::string Problem::text() const {
  switch (op) {
    case Op::act: return fmt::format("act_{}_count{}:{}", name_of(act), count, name_of(dtype));
    case Op::add: return fmt::format("add_count{}:{}", count, name_of(dtype));
    case Op::scale: return fmt::format("scale_n{}hw{}c{}:{}", n, h, c, name_of(dtype));
    case Op::squeeze_excite: return squeeze_excite().text();
    case Op::cast: return fmt::format("cast_{}_to_{}_count{}", name_of(from), name_of(dtype), count);
    case Op::preprocess:
      return fmt::format("preprocess_n{}hw{}{}:{}:{}", n, h, bgr ? "+bgr" : "", name_of(from), name_of(dtype));
    case Op::softmax: return fmt::format("softmax_n{}k{}", n, c);
    case Op::dropout: return fmt::format("dropout_count{}:{}", count, name_of(dtype));
    case Op::pad: return fmt::format("pad_n{}h{}w{}c{}{}:{}", n, h, w, c, pad_text(pad), name_of(dtype));
  }
  return "";
}

void parse_count(TextReader& in, Problem& p) {
  in.want("count");
  p.count = in.number();
}

void parse_cast(TextReader& in, Problem& p) {
  p.typed = true;
  if (!in.take_dtype(p.from)) in.reject();
  in.want("_to_");
  if (!in.take_dtype(p.dtype) || p.dtype == Dtype::u8) in.reject();
  in.want("_");
  parse_count(in, p);
}

void parse_preprocess(TextReader& in, Problem& p) {
  p.n = in.field("n");
  p.h = in.field("hw");
  p.bgr = in.take("+bgr");
  in.take_suffix(p.from);
  if (p.from == Dtype::bf16) in.reject();
}

Problem parse(std::string_view text) {
  TextReader in(text, "pointwise", kExample);
  Problem p;
  if (in.take("act_")) {
    if (!in.take_act(p.act)) in.reject();
    in.want("_");
    parse_count(in, p);
  } else if (in.take("add_")) {
    p.op = Op::add;
    parse_count(in, p);
  } else if (in.take("dropout_")) {
    p.op = Op::dropout;
    parse_count(in, p);
  } else if (in.take("scale_")) {
    p = {.op = Op::scale, .n = in.field("n"), .h = in.field("hw"), .c = in.field("c")};
  } else if (in.take("squeeze_excite_")) {
    p.op = Op::squeeze_excite;
    p.n = in.field("n");
    p.c = in.field("c");
    p.h = in.field("h");
    p.w = in.field("w");
    p.k = in.field("k");
  } else if (in.take("softmax_")) {
    p = {.op = Op::softmax, .n = in.field("n"), .c = in.field("k"), .typed = true};
  } else if (in.take("pad_")) {
    p = {.op = Op::pad, .n = in.field("n"), .h = in.field("h"), .w = in.field("w"), .c = in.field("c")};
    in.take_pad(p.pad);
  } else if (in.take("cast_")) {
    p.op = Op::cast;
    parse_cast(in, p);
  } else if (in.take("preprocess_")) {
    p.op = Op::preprocess;
    parse_preprocess(in, p);
  } else {
    in.reject();
  }
  const bool own_type = p.op == Op::cast || p.op == Op::softmax;
  if (!own_type) p.typed = in.take_suffix(p.dtype);
  if (p.dtype == Dtype::u8) in.reject();
  in.finish();
  return p;
}

using Use = Operand::Use;
using Bound = std::function<void()>;

/// count elements in, count out: one position of the axis each.
void make_elements(const Problem& p, bool forward, Case& out) {
  const auto array = [&p](const char* name, Use use) { return rows(name, use, p.dtype, p.count, 1); };
  out.extent = p.count;
  out.work = 10.0 * static_cast<double>(p.count);
  if (p.op == Op::add) {
    out.exactness = Exactness::integers;
    out.operands = {array("a", Use::input), array("b", Use::input), array("y", Use::output)};
    out.bind = [](const Arguments& to) -> Bound {
      return [to] { to.backend.add(to.dtype, to.extent, to.at[0], to.at[1], to.at[2]); };
    };
  } else if (forward) {
    out.operands = {between(-8, 8, array("x", Use::input)), array("y", Use::output)};
    out.bind = [act = p.act](const Arguments& to) -> Bound {
      return [to, act] { to.backend.act_forward(act, to.dtype, to.extent, to.at[0], to.at[1]); };
    };
  } else {
    out.operands = {between(-8, 8, array("x", Use::input)), array("dy", Use::input), array("dx", Use::output)};
    out.bind = [act = p.act](const Arguments& to) -> Bound {
      return [to, act] { to.backend.act_backward(act, to.dtype, to.extent, to.at[0], to.at[1], to.at[2]); };
    };
  }
}

/// A function of each element's position, so the oracle sees all of them.
void make_dropout(const Problem& p, Case& out) {
  out.work = 10.0 * static_cast<double>(p.count);
  out.operands = {between(0.5, 1.5, whole("x", Use::input, p.dtype, p.count)),
                  whole("y", Use::output, p.dtype, p.count)};
  out.bind = [count = p.count](const Arguments& to) -> Bound {
    return
        [to, count] { to.backend.dropout(to.dtype, count, static_cast<float>(kDropoutRate), 77, to.at[0], to.at[1]); };
  };
}

void make_cast(const Problem& p, Case& out) {
  out.extent = p.count;
  out.work = 10.0 * static_cast<double>(p.count);
  out.exactness = Exactness::always;
  out.operands = {between(0, 256, rows("x", Use::input, p.from, p.count, 1)),
                  rows("y", Use::output, p.dtype, p.count, 1)};
  out.bind = [from = p.from, dtype = p.dtype](const Arguments& to) -> Bound {
    // The oracle's arrays are f64, except pixels.
    const bool oracle = to.dtype == Dtype::f64 && dtype != Dtype::f64;
    const Dtype source = oracle && from != Dtype::u8 ? Dtype::f64 : from;
    return [to, source] { to.backend.cast(source, to.dtype, to.extent, to.at[0], to.at[1]); };
  };
}

void make_scale(const Problem& p, bool forward, Case& out) {
  const std::int64_t image = std::int64_t{p.h} * p.c;
  const auto picture = [&](const char* name, Use use) { return rows(name, use, p.dtype, p.n, image); };
  out.axis = "images";
  out.extent = p.n;
  out.work = 10.0 * static_cast<double>(p.n) * static_cast<double>(image);
  out.depth = p.h;
  out.exactness = Exactness::integers;
  out.operands = {picture("x", Use::input), rows("gate", Use::input, p.dtype, p.n, p.c)};
  if (forward) {
    out.operands.push_back(picture("y", Use::output));
  } else {
    out.operands.push_back(picture("dy", Use::input));
    out.operands.push_back(picture("dx", Use::output));
    out.operands.push_back(rows("dgate", Use::output, p.dtype, p.n, p.c));
  }
  out.bind = [p, forward](const Arguments& to) -> Bound {
    const ScaleProblem problem{.n = static_cast<int>(to.extent), .hw = p.h, .c = p.c, .dtype = to.dtype};
    if (forward) return [to, problem] { to.backend.scale_forward(problem, to.at[0], to.at[1], to.at[2]); };
    return [to, problem] { to.backend.scale_backward(problem, to.at[0], to.at[1], to.at[2], to.at[3], to.at[4]); };
  };
}

/// Forward only: the way back is that of its parts.
void make_squeeze_excite(const Problem& p, Case& out) {
  const SqueezeExciteProblem problem = p.squeeze_excite();
  const std::int64_t image = problem.size() / p.n;
  const auto filter = [&](const char* name, int inputs) {
    const double limit = 1.7 / std::sqrt(inputs);
    Operand operand = between(-limit, limit, whole(name, Use::input, master_dtype(p.dtype), std::int64_t{p.c} * p.k));
    operand.precision = p.dtype;  // backends may narrow filters
    return operand;
  };
  const auto between_calls = [&](const char* name, int c) { return rows(name, Use::output, p.dtype, p.n, c); };
  out.axis = "images";
  out.extent = p.n;
  out.flops = problem.flops();
  out.work = out.flops + 10.0 * static_cast<double>(problem.size());
  out.depth = std::max(p.h * p.w, p.c);
  out.operands = {rows("x", Use::input, p.dtype, p.n, image),
                  filter("reduce", p.c),
                  whole("reduce bias", Use::input, master_dtype(p.dtype), p.k),
                  filter("expand", p.k),
                  whole("expand bias", Use::input, master_dtype(p.dtype), p.c),
                  between_calls("pooled", p.c),
                  between_calls("reduced", p.k),
                  between_calls("squeezed", p.k),
                  between_calls("expanded", p.c),
                  between_calls("gate", p.c),
                  rows("y", Use::output, p.dtype, p.n, image)};
  // Pixels of -1 and 1: the product with a gate is not rounded once more behind the gate's own rounding.
  out.mend = [](std::vector<HostArray>& arrays) {
    HostArray& x = arrays.front();
    for (std::int64_t i = 0; i < x.count(); ++i) x.set(i, x.at(i) < 0 ? -1 : 1);
  };
  out.bind = [problem](const Arguments& to) -> Bound {
    SqueezeExciteProblem bound = problem;
    bound.n = static_cast<int>(to.extent);
    bound.dtype = to.dtype;
    const SqueezeExciteForward args{.x = to.at[0],
                                    .reduce = to.at[1],
                                    .reduce_bias = to.at[2],
                                    .expand = to.at[3],
                                    .expand_bias = to.at[4],
                                    .pooled = to.at[5],
                                    .reduced = to.at[6],
                                    .squeezed = to.at[7],
                                    .expanded = to.at[8],
                                    .gate = to.at[9],
                                    .y = to.at[10]};
    return [bound, args, &backend = to.backend] { backend.squeeze_excite_forward(bound, args); };
  };
}

void make_preprocess(const Problem& p, Case& out) {
  const std::int64_t image = std::int64_t{p.h} * 3;
  out.axis = "images";
  out.extent = p.n;
  out.work = 10.0 * static_cast<double>(p.n) * static_cast<double>(image);
  out.operands = {between(0, 256, rows("pixels", Use::input, p.from, p.n, image)),
                  rows("y", Use::output, p.dtype, p.n, image)};
  out.bind = [p](const Arguments& to) -> Bound {
    PreprocessProblem problem{.n = static_cast<int>(to.extent), .hw = p.h, .bgr = p.bgr, .output = to.dtype};
    if (p.bgr) {  // ResNet's
      problem.offset[0] = -103.939;
      problem.offset[1] = -116.779;
      problem.offset[2] = -123.68;
    } else {  // MobileNet's
      problem.scale = 1 / 127.5;
      for (double& offset : problem.offset) offset = -127.5;
    }
    const bool oracle = to.dtype == Dtype::f64;
    problem.input = oracle && p.from != Dtype::u8 ? Dtype::f64 : p.from;
    return [to, problem] { to.backend.preprocess(problem, to.at[0], to.at[1]); };
  };
}

/// Probabilities and gradient; the sums are added up too, and not compared.
void make_softmax(const Problem& p, Case& out) {
  const std::int64_t count = std::int64_t{p.n} * p.c;
  out.work = 30.0 * static_cast<double>(count);
  out.depth = p.c;
  out.operands = {between(-4, 4, whole("logits", Use::input, Dtype::f32, count)),
                  between(0, p.c, whole("labels", Use::input, Dtype::i32, p.n)),
                  whole("probabilities", Use::output, Dtype::f32, count),
                  whole("dlogits", Use::output, Dtype::f32, count)};
  // Whatever they were filled with, labels are classes.
  out.mend = [p](std::vector<HostArray>& arrays) {
    for (int i = 0; i < p.n; ++i)
      arrays[1].set(i, static_cast<double>(static_cast<std::int64_t>(std::abs(arrays[1].at(i))) % p.c));
  };
  out.bind = [p](const Arguments& to) -> Bound {
    const std::shared_ptr<void> sums(to.backend.allocate(sizeof(LossSums)),
                                     [&backend = to.backend](void* block) { backend.release(block); });
    to.backend.zero(sums.get(), sizeof(LossSums));
    return [to, p, sums] {
      to.backend.softmax_cross_entropy(master_dtype(to.dtype), p.n, p.c, to.at[0],
                                       static_cast<const std::int32_t*>(to.at[1]), 1.0 / p.n, to.at[2], to.at[3],
                                       static_cast<LossSums*>(sums.get()));
    };
  };
}

void make_pad(const Problem& p, bool forward, Case& out) {
  const std::int64_t inside = std::int64_t{p.h} * p.w * p.c;
  const std::int64_t around = std::int64_t{p.h + p.pad.top + p.pad.bottom} * (p.w + p.pad.left + p.pad.right) * p.c;
  out.axis = "images";
  out.extent = p.n;
  out.work = 10.0 * static_cast<double>(p.n) * static_cast<double>(around);
  out.exactness = Exactness::always;
  out.operands = {rows(forward ? "x" : "dy", Use::input, p.dtype, p.n, forward ? inside : around),
                  rows(forward ? "y" : "dx", Use::output, p.dtype, p.n, forward ? around : inside)};
  out.bind = [p, forward](const Arguments& to) -> Bound {
    const int n = static_cast<int>(to.extent);
    if (forward) return [=] { to.backend.pad_forward(n, p.h, p.w, p.c, p.pad, to.dtype, to.at[0], to.at[1]); };
    return [=] { to.backend.pad_backward(n, p.h, p.w, p.c, p.pad, to.dtype, to.at[0], to.at[1]); };
  };
}

Case make(const std::string& text, const std::string& direction) {
  const Problem p = parse(text);
  const bool forward = direction == "fwd";
  Case out{.family = "pointwise", .problem = text, .direction = direction, .dtype = p.dtype};
  switch (p.op) {
    case Op::act:
    case Op::add: make_elements(p, forward, out); break;
    case Op::dropout: make_dropout(p, out); break;
    case Op::scale: make_scale(p, forward, out); break;
    case Op::squeeze_excite: make_squeeze_excite(p, out); break;
    case Op::cast: make_cast(p, out); break;
    case Op::preprocess: make_preprocess(p, out); break;
    case Op::softmax: make_softmax(p, out); break;
    case Op::pad: make_pad(p, forward, out); break;
  }
  out.bytes = bytes_once(out.operands);
  if (p.op == Op::squeeze_excite) out.bytes += bytes_once({out.operands.front()});  // for the mean, and to be scaled
  return out;
}

std::string canonical(std::string_view text, const Wishes& wishes) {
  Problem p = parse(text);
  const bool own_type = p.op == Op::cast || p.op == Op::softmax;
  if (!own_type) p.dtype = wishes.dtype.value_or(p.typed ? p.dtype : wishes.standard);
  if (wishes.batch) {
    if (p.op == Op::act || p.op == Op::add || p.op == Op::cast || p.op == Op::dropout) {
      fail(ErrorKind::usage, "--batch does not go with {}: its count says everything", p.text());
    }
    p.n = *wishes.batch;
  }
  return p.text();
}

std::vector<std::string> directions_of(const std::string& text) {
  const Op op = parse(text).op;
  if (op == Op::act || op == Op::scale || op == Op::pad) return {"fwd", "bwd"};
  return {"fwd"};
}

}  // namespace

Family pointwise_family() {
  return {.name = "pointwise",
          .summary = "activations, sums, gates, squeeze-excites, casts, pixels, loss, dropout, padding",
          .example = "act_relu_count100352",
          .directions = {"fwd", "bwd"},
          .canonical = canonical,
          .directions_of = directions_of,
          .make = make};
}

}  // namespace thaw::microscope
