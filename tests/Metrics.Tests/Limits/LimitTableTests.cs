using System.Reflection;
using Vigil.Metrics.Rules;
using Vigil.Metrics.Scrape;
using Vigil.Metrics.Tests.Api;
using Vigil.Metrics.Tests.Durability;
using Vigil.Metrics.Tests.Grains;
using Vigil.Metrics.Tests.Query;
using Vigil.Metrics.Tests.Rules;
using Vigil.Metrics.Tests.Service;
using Vigil.Metrics.Tests.Storage;
using Vigil.Metrics.Tests.Watch;
using Xunit;

namespace Vigil.Metrics.Tests.Limits;

/// <summary>Every option that is a limit has a test at one more than it allows.</summary>
public sealed class LimitTableTests
{
    private static readonly Dictionary<string, (Type Tests, string Method)> Proofs = new(StringComparer.Ordinal)
    {
        [nameof(MetricsOptions.MaxSeriesPerShard)] = (typeof(DoorPolicyTests), nameof(DoorPolicyTests.SeriesBeyondWhatAServiceMayHave_IsRefusedAndCountedAtEveryDoor_AndOldOnesGoOn)),
        [nameof(MetricsOptions.MaxServices)] = (typeof(DoorPolicyTests), nameof(DoorPolicyTests.ServiceBeyondThoseThatMayBe_IsRefusedAndCountedAtEveryDoor_AndOldOnesGoOn)),
        [nameof(MetricsOptions.MaxAhead)] = (typeof(DoorPolicyTests), nameof(DoorPolicyTests.SampleAhead_AsFarAsAllowedIsTakenAtEveryDoor_AndAMillisecondFurtherIsRefused)),
        [nameof(MetricsOptions.MaxSeriesPerStream)] = (typeof(PushLimitTests), nameof(PushLimitTests.SeriesOfAStream_OneTooMany_IsRefusedByName_Counted_AndTheOthersGoOn)),
        [nameof(MetricsOptions.MaxSeriesPerCaller)] = (typeof(PushLimitTests), nameof(PushLimitTests.SeriesOfACaller_OneTooMany_IsRefusedByName_Counted_AndTheOthersGoOn)),
        [nameof(MetricsOptions.MaxPushStreams)] = (typeof(PushLimitTests), nameof(PushLimitTests.Streams_OneTooMany_IsRefusedByName_Counted_AndTheOthersGoOn)),
        [nameof(MetricsOptions.MaxSamplesPerFrame)] = (typeof(PushLimitTests), nameof(PushLimitTests.SamplesOfAFrame_OneTooMany_AreRefusedByName_Counted_AndTheStreamGoesOn)),
        [nameof(MetricsOptions.MaxStreamsRemembered)] = (typeof(PushLimitTests), nameof(PushLimitTests.StreamsRemembered_OneTooMany_IsRefusedByName_Counted_AndTheOthersGoOn)),
        [nameof(MetricsOptions.MaxFramesInFlight)] = (typeof(PushTests), nameof(PushTests.Push_WhileTheDiskIsBusy_ReadsNoFurtherThanTheFramesInFlight)),
        [nameof(MetricsOptions.MaxPointsPerExport)] = (typeof(WriteLimitTests), nameof(WriteLimitTests.PointsOfAnExport_OneTooMany_AreRefusedByNameAndCountedAtBothDoors)),
        [nameof(MetricsOptions.MaxBodyBytes)] = (typeof(WriteLimitTests), nameof(WriteLimitTests.BytesOfABody_OneTooMany_AreRefusedByNameAndCounted)),
        [nameof(MetricsOptions.MaxWriteRequests)] = (typeof(WriteLimitTests), nameof(WriteLimitTests.RequestsAtOnce_OneTooMany_IsToldToComeAgain_Counted_AndOtherDoorsGoOn)),
        [nameof(MetricsOptions.MaxCachedSeries)] = (typeof(RemoteWriteRequestTests), nameof(RemoteWriteRequestTests.Cache_BeyondItsBound_ForgetsWhatWasNotAskedFor)),
        [nameof(MetricsOptions.MaxSamplesInMemoryPerSeries)] = (typeof(CheckpointTests), nameof(CheckpointTests.Checkpoint_MoreSamplesOfASeriesThanMayBeInMemory_LetsTheOldestLeave_AndQueriesStillFindThem)),
        [nameof(MetricsOptions.MaxExpressionLength)] = (typeof(QueryTests), nameof(QueryTests.Watch_ExpressionLongerThanAllowed_IsAnErrorWithTheKey)),
        [nameof(MetricsOptions.MaxSeriesPerQuery)] = (typeof(QueryLimitTests), nameof(QueryLimitTests.Query_OneSampleOrSeriesTooMany_IsRefusedByName)),
        [nameof(MetricsOptions.MaxLabelValues)] = (typeof(LabelFinderTests), nameof(LabelFinderTests.Labels_OneValueOrSeriesTooMany_AreRefusedByNameUnlessFewerAreAskedFor)),
        [nameof(MetricsOptions.MaxSamplesPerQuery)] = (typeof(QueryLimitTests), nameof(QueryLimitTests.Query_OneSampleOrSeriesTooMany_IsRefusedByName)),
        [nameof(MetricsOptions.MaxConcurrentQueries)] = (typeof(QueryLimitTests), nameof(QueryLimitTests.Query_BeyondTheLine_Is503AndNamesTheOptions)),
        [nameof(MetricsOptions.MaxQueuedQueries)] = (typeof(QueryLimitTests), nameof(QueryLimitTests.Query_BeyondTheLine_Is503AndNamesTheOptions)),
        [nameof(MetricsOptions.MaxWatchesPerStream)] = (typeof(QueryTests), nameof(QueryTests.Watch_BadExpressions_AreErrorsOfTheirOwnAndOthersGoOn)),
        [nameof(MetricsOptions.MaxWatchesPerCaller)] = (typeof(QueryTests), nameof(QueryTests.Watch_MoreThanOneCallerMay_IsRefusedAcrossItsCallsAndOthersDoNotNotice)),
        [nameof(MetricsOptions.MaxWatchStreams)] = (typeof(QueryTests), nameof(QueryTests.Watch_MoreCallsThanAllowed_RefusesTheOneTooMany_UntilOneHasEnded)),
        [nameof(MetricsOptions.MaxStandingSamples)] = (typeof(StandingGroupTests), nameof(StandingGroupTests.StandingGroup_NoRoomForTheSamples_HandsOverAndTheWatchGoesOn)),
        [nameof(MetricsOptions.MaxStandingWindow)] = (typeof(StandingPlanTests), nameof(StandingPlanTests.Plan_OfAWindowAMillisecondLongerThanAllowed_IsNone)),
        [nameof(MetricsOptions.MaxSubscribersPerShard)] = (typeof(MonitoredServiceGrainTests), nameof(MonitoredServiceGrainTests.Select_MoreFollowersThanAllowed_SaysWhichLimit)),
        [nameof(ScrapeOptions.MaxTargets)] = (typeof(ScrapeLimitTests), nameof(ScrapeLimitTests.Targets_OneTooMany_IsLeftOutByName_Counted_AndTheOthersGoOn)),
        [nameof(ScrapeOptions.MaxScrapeBytes)] = (typeof(ScrapeLimitTests), nameof(ScrapeLimitTests.BytesOfAPage_OneTooMany_AreRefusedByName_Counted_AndTheTargetGoesOn)),
        [nameof(RulesOptions.MaxRules)] = (typeof(RecordingTests), nameof(RecordingTests.Files_WithOneRuleTooManyTogether_AreRefusedByName_Counted_AndTheOthersGoOn)),
    };

    public static TheoryData<string> Limits => [.. new[] { typeof(MetricsOptions), typeof(ScrapeOptions), typeof(RulesOptions) }
        .SelectMany(options => options.GetProperties()).Select(p => p.Name).Where(name => name.StartsWith("Max", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Limits))]
    public void Limit_HasATestAtOneMoreThanItAllows(string option)
    {
        Assert.True(Proofs.TryGetValue(option, out var proof), $"no test is named for {option}");
        var method = proof.Tests.GetMethod(proof.Method);
        Assert.True(method?.GetCustomAttribute<FactAttribute>() is { Skip: null }, $"{proof.Tests.Name}.{proof.Method} is no test");
    }
}
