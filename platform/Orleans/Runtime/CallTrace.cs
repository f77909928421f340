using System.Diagnostics;
using Orleans.Diagnostics;

namespace Orleans.Diagnostics
{
    /// <summary>The names under which grain calls are traced.</summary>
    public static class ActivitySources
    {
        /// <summary>Calls to the application's grains.</summary>
        public const string ApplicationGrainActivitySourceName = "Microsoft.Orleans.Application";

        /// <summary>Calls to grains of the runtime itself.</summary>
        public const string RuntimeActivitySourceName = "Microsoft.Orleans.Runtime";

        /// <summary>All of them.</summary>
        public const string AllActivitySourceName = "Microsoft.Orleans.*";

        internal static readonly ActivitySource Application = new(ApplicationGrainActivitySourceName, "1.2.0");
    }
}

namespace Orleans.Runtime
{
    /// <summary>A call's two spans: the caller's, and the grain's within it. Names and tags are those of OpenTelemetry's RPC conventions.</summary>
    internal sealed class CallTrace
    {
        private readonly GrainCall call;
        private readonly Activity client;
        private readonly GrainId target;

        private CallTrace(GrainCall call, Activity client, GrainId target)
        {
            this.call = call;
            this.client = client;
            this.target = target;
        }

        public static bool IsListenedTo => ActivitySources.Application.HasListeners();

        public static CallTrace? Start(GrainCall call, GrainId target)
        {
            var outer = Activity.Current;
            var activity = ActivitySources.Application.StartActivity(call.Method.ActivityName, ActivityKind.Client);
            // The caller goes on at once: the span is the call's, not what the caller does meanwhile.
            Activity.Current = outer;
            if (activity is null) return null;
            Tag(activity, call, target);
            return new CallTrace(call, activity, target);
        }

        /// <summary>The grain's span, current until it is disposed.</summary>
        public Activity? Enter()
        {
            var activity = ActivitySources.Application.StartActivity(call.Method.ActivityName, ActivityKind.Server, client.Context);
            if (activity is not null) Tag(activity, call, target);
            return activity;
        }

        public void End(Exception? failure)
        {
            if (failure is not null) Note(client, failure);
            // Stopping a span makes its parent current, which here would be another caller's.
            var outer = Activity.Current;
            client.Stop();
            Activity.Current = outer;
        }

        public static void Note(Activity? activity, Exception failure)
        {
            if (activity is not { IsAllDataRequested: true }) return;
            activity.SetStatus(ActivityStatusCode.Error);
            activity.SetTag("exception.type", failure.GetType().FullName);
            activity.SetTag("exception.message", failure.Message);
            activity.SetTag("exception.stacktrace", failure.ToString());
            activity.SetTag("exception.escaped", true);
        }

        private static void Tag(Activity activity, GrainCall call, GrainId target)
        {
            activity.SetTag("rpc.system", "orleans");
            activity.SetTag("rpc.service", call.Method.InterfaceName);
            activity.SetTag("rpc.method", call.Method.RpcMethod);
            if (!activity.IsAllDataRequested) return;
            activity.SetTag("rpc.orleans.target_id", target.ToString());
            if (call.Source is { } source) activity.SetTag("rpc.orleans.source_id", source.GrainId.ToString());
        }
    }
}
