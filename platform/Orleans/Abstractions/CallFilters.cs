using System.Reflection;
using Orleans.Runtime;
using Orleans.Serialization.Invocation;

namespace Orleans
{
    /// <summary>Runs around every call into a grain, or, on a grain class, around the calls into that grain.</summary>
    public interface IIncomingGrainCallFilter
    {
        /// <summary>Does something, and calls <see cref="IGrainCallContext.Invoke"/> to go on.</summary>
        Task Invoke(IIncomingGrainCallContext context);
    }

    /// <summary>A filter as a delegate.</summary>
    public delegate Task IncomingGrainCallFilterDelegate(IIncomingGrainCallContext context);

    /// <summary>One call on its way.</summary>
    public interface IGrainCallContext
    {
        /// <summary>The call's method and arguments.</summary>
        IInvokable Request { get; }

        /// <summary>The grain that is called.</summary>
        object Grain { get; }

        /// <summary>The calling grain; null where the caller is none.</summary>
        GrainId? SourceId { get; }

        /// <summary>The identity of the grain that is called.</summary>
        GrainId TargetId { get; }

        /// <summary>The interface.</summary>
        GrainInterfaceType InterfaceType { get; }

        /// <summary>The interface's full name.</summary>
        string InterfaceName { get; }

        /// <summary>The method's name.</summary>
        string MethodName { get; }

        /// <summary>The interface's method.</summary>
        MethodInfo InterfaceMethod { get; }

        /// <summary>The result, once the call has run; a filter may replace it.</summary>
        object? Result { get; set; }

        /// <summary>Goes on to the next filter, or to the grain.</summary>
        Task Invoke();
    }

    /// <summary>One call on its way into a grain.</summary>
    public interface IIncomingGrainCallContext : IGrainCallContext
    {
        /// <summary>The activation that is called.</summary>
        IGrainContext TargetContext { get; }

        /// <summary>The class's method.</summary>
        MethodInfo ImplementationMethod { get; }
    }
}

namespace Orleans.Serialization.Invocation
{
    /// <summary>The method and arguments of a call.</summary>
    public interface IInvokable
    {
        /// <summary>The grain object, once the call runs.</summary>
        object? GetTarget();

        /// <summary>How many arguments there are.</summary>
        int GetArgumentCount();

        /// <summary>An argument.</summary>
        object? GetArgument(int index);

        /// <summary>Replaces an argument.</summary>
        void SetArgument(int index, object value);

        /// <summary>The method's name.</summary>
        string GetMethodName();

        /// <summary>The interface's name.</summary>
        string GetInterfaceName();

        /// <summary>"Interface/Method", as traces name the call.</summary>
        string GetActivityName();

        /// <summary>The interface's method.</summary>
        MethodInfo GetMethod();

        /// <summary>The interface.</summary>
        Type GetInterfaceType();
    }
}
