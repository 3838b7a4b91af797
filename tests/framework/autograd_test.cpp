#include <gtest/gtest.h>

#include "kernels/error.h"
#include "tests/framework/support.h"

namespace thaw {
namespace {

using test::leaf;
using test::reference_context;

TEST(Tape, RecordsNothingWhereNoInputWantsAGradient) {
  Context ctx = reference_context();
  Tape tape;
  ctx.tape = &tape;
  const Var x(leaf(ctx, {1, 4, 4, 2}, 1).value());
  const Var w(leaf(ctx, {3, 3, 3, 2}, 2).value());
  const Var y = activation(ctx, conv2d(ctx, x, w, Var(), {}), Act::relu);
  EXPECT_FALSE(y.wants_grad());
  EXPECT_EQ(tape.size(), 0U);
  EXPECT_EQ(tape.saved_bytes(), 0U);
}

TEST(Tape, KeepsOnlyWhatAWantedGradientNeeds) {
  Context ctx = reference_context();
  const Var x = leaf(ctx, {2, 4, 4, 2}, 1);
  const Var w = leaf(ctx, {3, 1, 1, 2}, 2);
  const Var fixed_x(x.value());
  const Var fixed_w(w.value());
  const auto saved = [&](const Var& input, const Var& filter) {
    Tape tape;
    Context recording = ctx;
    recording.tape = &tape;
    static_cast<void>(conv2d(recording, input, filter, Var(), {}));
    return tape.saved_bytes();
  };
  EXPECT_EQ(saved(fixed_x, w), x.value().bytes()) << "a filter gradient needs the input";
  EXPECT_EQ(saved(x, fixed_w), 0U) << "an input gradient needs no activation";
}

TEST(Tape, FreesActivationsWhileItRunsBackwards) {
  Context ctx = reference_context();
  const std::size_t before = ctx.backend->stats().used_bytes;
  {
    Tape tape;
    Context recording = ctx;
    recording.tape = &tape;
    Var y = leaf(ctx, {4, 8, 8, 16}, 1);
    for (int i = 0; i < 5; ++i) y = activation(recording, y, Act::hard_swish);
    y.gradient()->value = y.value().clone();
    const std::size_t kept = ctx.backend->stats().used_bytes;
    y = Var();
    tape.backward();
    EXPECT_LT(ctx.backend->stats().used_bytes, kept);
    EXPECT_EQ(tape.size(), 0U);
  }
  EXPECT_EQ(ctx.backend->stats().used_bytes, before);
}

TEST(Tape, CountsASharedActivationOnce) {
  Context ctx = reference_context();
  Tape tape;
  ctx.tape = &tape;
  const Var x = leaf(ctx, {2, 8}, 1);
  static_cast<void>(activation(ctx, x, Act::relu));
  static_cast<void>(activation(ctx, x, Act::hard_swish));
  EXPECT_EQ(tape.saved_bytes(), x.value().bytes());
}

TEST(Tape, SkipsABranchThatNoGradientReached) {
  Context ctx = reference_context();
  Tape tape;
  ctx.tape = &tape;
  const Var x = leaf(ctx, {2, 3}, 1);
  static_cast<void>(activation(ctx, x, Act::relu));  // nobody uses it
  const Var y = add(ctx, x, x);
  y.gradient()->value = x.value().clone();
  tape.backward();
  const std::vector<double> dx = x.gradient()->value.to_doubles();
  EXPECT_DOUBLE_EQ(dx[0], 2 * x.value().to_doubles()[0]);
}

TEST(Parameter, FrozenWantsNoGradientAndTrainingModeChangesNoFlag) {
  Context ctx = reference_context();
  ParameterStore store(ctx.backend, Dtype::f64, 1);
  const ConvNorm unit(Scope(store, "c"), {.input = {4, 4, 2}, .filters = 3, .kernel = 3}, Scope(store, "n"), {},
                      Act::relu, "a");
  for (Parameter& p : store.all()) p.set_frozen(true);
  Tape tape;
  ctx.tape = &tape;
  ctx.training = true;
  static_cast<void>(unit(ctx, Var(leaf(ctx, {2, 4, 4, 2}, 1).value())));
  EXPECT_EQ(tape.size(), 0U);
  EXPECT_EQ(store.trainable_count(), 0);
}

TEST(Shapes, ThatDoNotFitAreNamedByTheOp) {
  Context ctx = reference_context();
  const Var x = leaf(ctx, {2, 4, 4, 2}, 1);
  const Var w = leaf(ctx, {3, 3, 3, 5}, 2);
  try {
    static_cast<void>(conv2d(ctx, x, w, Var(), {}));
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    EXPECT_NE(std::string(e.what()).find("[conv2d] input (2,4,4,2) and filter (3,3,3,5)"), std::string::npos)
        << e.what();
  }
  EXPECT_THROW(static_cast<void>(add(ctx, x, w)), Error);
  EXPECT_THROW(static_cast<void>(dense(ctx, leaf(ctx, {2, 3}, 1), leaf(ctx, {2, 4}, 1), Var())), Error);
  EXPECT_THROW(static_cast<void>(dropout(ctx, x, 1.0)), Error);
}

TEST(Tensor, RowsShareStorageAndReshapeKeepsTheCount) {
  const Context ctx = reference_context();
  const std::vector<double> host = {0, 1, 2, 3, 4, 5};
  const Tensor t = Tensor::from_host(ctx.backend, {3, 2}, Dtype::f64, std::span(host));
  EXPECT_EQ(t.rows(1, 2).to_doubles(), (std::vector<double>{2, 3, 4, 5}));
  EXPECT_TRUE(t.rows(1, 2).shares_storage(t));
  EXPECT_THROW(static_cast<void>(t.rows(2, 2)), Error);
  EXPECT_THROW(static_cast<void>(t.reshaped({4, 2})), Error);
}

}  // namespace
}  // namespace thaw
