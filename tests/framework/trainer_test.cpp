#include <gtest/gtest.h>

#include "kernels/error.h"
#include "tests/framework/toy_run.h"

namespace thaw {
namespace {

using test::numbers;
using test::reference_context;
using test::ToyImages;
using test::ToyRun;

TEST(Trainer, LearnsAndReportsKerasRunningAccuracyAndATrueOne) {
  ToyRun run(true);
  Position position;
  for (int epoch = 0; epoch < 12; ++epoch) EXPECT_TRUE(run.trainer->train_epoch(numbers(0, 18), position));
  EXPECT_EQ(position.epoch, 12);
  EXPECT_EQ(position.step, 12 * 3);
  EXPECT_EQ(position.sums.images, 18) << "the sums are the last epoch's";
  const Evaluation after = run.trainer->evaluate(numbers(18, 22));
  EXPECT_EQ(after.accuracy, 1.0);
  EXPECT_EQ(after.predictions, (std::vector<int>{0, 1, 0, 1}));
}

TEST(Trainer, CachedAndRecomputedPrefixGiveTheSameBits) {
  ToyRun cached(true);
  ToyRun plain(false);
  EXPECT_EQ(cached.trainer->cut(), 1U);
  Position a;
  Position b;
  for (int epoch = 0; epoch < 3; ++epoch) {
    cached.trainer->train_epoch(numbers(0, 18), a);
    plain.trainer->train_epoch(numbers(0, 18), b);
  }
  EXPECT_EQ(cached.weights(), plain.weights());
  EXPECT_EQ(cached.images.streamed, 18) << "each image is decoded once";
  EXPECT_EQ(plain.images.streamed, 3 * 18);
  EXPECT_EQ(cached.trainer->evaluate(numbers(0, 22)).loss, plain.trainer->evaluate(numbers(0, 22)).loss);
}

TEST(Trainer, TakesPixelsThatAreOnTheDeviceAlready) {
  for (const bool cached : {true, false}) {
    for (const bool freeze_stem : {true, false}) {
      ToyRun sent(cached, freeze_stem);
      ToyRun there(cached, freeze_stem);
      there.images.device = there.ctx.backend;
      Position a;
      Position b;
      sent.trainer->train_epoch(numbers(0, 18), a);  // the last batch is short
      there.trainer->train_epoch(numbers(0, 18), b);
      EXPECT_EQ(sent.weights(), there.weights());
      EXPECT_EQ(sent.trainer->evaluate(numbers(0, 22)).loss, there.trainer->evaluate(numbers(0, 22)).loss);
    }
  }
}

TEST(Trainer, RepeatsRecordedStepsWithTheSameBits) {
  // Guarded memory cannot be recorded on. 18 images in batches of 8 are two batch sizes.
  ToyRun recorded(true, true, 1 << 20, {}, 0);
  ToyRun plain(true, true, 1 << 20, {}, 0, {.poison = true});
  ToyRun random(true);
  ToyRun plain_random(true, true, 1 << 20, {}, 0.25, {.poison = true});
  Position a;
  Position b;
  Position c;
  Position d;
  for (int epoch = 0; epoch < 4; ++epoch) {
    for (ToyRun* run : {&recorded, &plain}) {
      Position& position = run == &recorded ? a : b;
      run->trainer->train_epoch(numbers(0, 18), position);
      run->trainer->evaluate(numbers(18, 22));  // uses the memory of the steps in between, and what they changed
    }
    random.trainer->train_epoch(numbers(0, 18), c);
    plain_random.trainer->train_epoch(numbers(0, 18), d);
  }
  EXPECT_EQ(recorded.weights(), plain.weights());
  EXPECT_EQ(a.sums.loss, b.sums.loss);
  EXPECT_EQ(recorded.trainer->evaluate(numbers(0, 22)).loss, plain.trainer->evaluate(numbers(0, 22)).loss);
  EXPECT_EQ(recorded.trainer->optimizer().steps(), plain.trainer->optimizer().steps());
  EXPECT_EQ(recorded.trainer->recordings(), recorded.ctx.backend->can_record() ? 2U : 0U);
  EXPECT_EQ(plain.trainer->recordings(), 0U);
  EXPECT_EQ(random.weights(), plain_random.weights()) << "each replay has the dropout masks of its step";
  EXPECT_NE(random.weights(), plain.weights());
  EXPECT_EQ(random.trainer->recordings(), recorded.trainer->recordings());
}

TEST(Trainer, UsesNoCacheWhereItWouldChangeTheResult) {
  ToyRun training_stem(true, false);
  EXPECT_EQ(training_stem.trainer->why_uncached(), "the first stage trains");
  ToyImages augmented;
  augmented.augmented = true;
  ToyRun run(true);
  const Trainer trainer(*run.net, run.ctx, augmented, make_adam(), TrainerOptions{});
  EXPECT_NE(trainer.why_uncached().find("augmentation"), std::string::npos);
}

TEST(Trainer, ACutNeverHidesANormInTrainingMode) {
  ToyRun run(true);
  run.net->stages[0].norms[0]->gamma->set_frozen(false);
  run.net->stages[0].norms[0]->beta->set_frozen(false);
  EXPECT_EQ(run.net->cut(), 0U);
}

TEST(Trainer, StoppedInTheMiddleOfAnEpochGoesOnWithTheSameBits) {
  ToyRun whole(true);
  Position position;
  for (int epoch = 0; epoch < 2; ++epoch) whole.trainer->train_epoch(numbers(0, 18), position);

  ToyRun first(true);
  Position at;
  first.trainer->stop_requested = [&at] { return at.step == 4; };
  EXPECT_TRUE(first.trainer->train_epoch(numbers(0, 18), at));
  EXPECT_FALSE(first.trainer->train_epoch(numbers(0, 18), at));
  EXPECT_EQ(at.batch, 1);

  ToyRun second(true);
  for (Parameter& p : second.net->parameters.all()) p.assign(first.net->parameters.find(p.name())->value().to_floats());
  std::map<std::string, std::vector<float>> state;
  for (const auto& [name, tensor] : first.trainer->optimizer().state()) state[name] = tensor.to_floats();
  second.trainer->optimizer().restore(first.trainer->optimizer().steps(), state, second.net->parameters.trainable());
  EXPECT_TRUE(second.trainer->train_epoch(numbers(0, 18), at));
  EXPECT_EQ(second.weights(), whole.weights());
  EXPECT_EQ(at.sums.loss, position.sums.loss);
}

TEST(Trainer, NamesTheStepAndTheFirstTensorThatWentBad) {
  ToyRun run(true);
  Position position;
  run.trainer->train_epoch(numbers(0, 18), position);
  Parameter* gamma = run.net->parameters.find("block_bn/gamma");
  std::vector<float> spoiled = gamma->value().to_floats();
  spoiled[3] = std::numeric_limits<float>::quiet_NaN();
  gamma->assign(spoiled);
  try {
    run.trainer->train_epoch(numbers(0, 18), position);
    FAIL() << "went on";
  } catch (const Error& e) {
    const std::string text = e.what();
    // Where the host cannot see the loss, it is read every 32 steps and at the epoch's end.
    const bool visible = run.ctx.backend->host_view(gamma->value().data()) != nullptr;
    EXPECT_NE(text.find(visible ? "step 4" : "epoch 2"), std::string::npos) << text;
    EXPECT_NE(text.find(visible ? "'block_bn/gamma'" : "'block"), std::string::npos) << text;
  }
}

TEST(Trainer, NamesTheLayerWhoseOutputOverflowed) {
  ToyRun run(true);
  Parameter* kernel = run.net->parameters.find("head/kernel");
  kernel->assign(std::vector<float>(16, 3e38F));
  Position position;
  try {
    run.trainer->train_epoch(numbers(0, 18), position);
    FAIL() << "went on";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("first tensor"), std::string::npos) << e.what();
  }
}

TEST(EarlyStopping, FollowsKerasRule) {
  EarlyStopping stop(true, 2, 0.0);
  EXPECT_TRUE(stop.improved(0.5));
  EXPECT_FALSE(stop.improved(0.5));
  EXPECT_FALSE(stop.should_stop());
  EXPECT_FALSE(stop.improved(0.4));
  EXPECT_TRUE(stop.should_stop());
  EXPECT_TRUE(stop.improved(0.6));
  EXPECT_FALSE(stop.should_stop());
  EXPECT_DOUBLE_EQ(*stop.best(), 0.6);
}

}  // namespace
}  // namespace thaw
