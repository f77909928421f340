using Orleans.Runtime;

namespace Orleans.Runtime
{
    /// <summary>An error of the grain runtime.</summary>
    [GenerateSerializer]
    public class OrleansException : Exception
    {
        /// <summary>An error without words.</summary>
        public OrleansException() : base("Unexpected error.") { }

        /// <summary>An error in words.</summary>
        public OrleansException(string message) : base(message) { }

        /// <summary>An error with its cause.</summary>
        public OrleansException(string message, Exception innerException) : base(message, innerException) { }
    }

    /// <summary>A setting that cannot be used; the message names it.</summary>
    [GenerateSerializer]
    public sealed class OrleansConfigurationException : Exception
    {
        /// <summary>A setting that cannot be used.</summary>
        public OrleansConfigurationException(string message) : base(message) { }

        /// <summary>A setting that cannot be used, with its cause.</summary>
        public OrleansConfigurationException(string message, Exception innerException) : base(message, innerException) { }
    }

    /// <summary>A call that was not accepted, and so did not run.</summary>
    [GenerateSerializer]
    public class OrleansMessageRejectionException : OrleansException
    {
        internal OrleansMessageRejectionException(string message) : base(message) { }

        internal OrleansMessageRejectionException(string message, Exception innerException) : base(message, innerException) { }
    }

    /// <summary>The silo is stopping or has stopped: the call did not run.</summary>
    [GenerateSerializer]
    public sealed class SiloUnavailableException : OrleansMessageRejectionException
    {
        /// <summary>The silo is not there.</summary>
        public SiloUnavailableException() : base("Silo unavailable") { }

        /// <summary>The silo is not there, in words.</summary>
        public SiloUnavailableException(string msg) : base(msg) { }

        /// <summary>The silo is not there, with the cause.</summary>
        public SiloUnavailableException(string message, Exception innerException) : base(message, innerException) { }
    }

    /// <summary>The grain has more calls to see to than it may have: the call did not run, and may be made again later.</summary>
    [GenerateSerializer]
    public sealed class LimitExceededException : OrleansException
    {
        /// <summary>A limit without a name.</summary>
        public LimitExceededException() : base("Limit exceeded") { }

        /// <summary>A limit, in words.</summary>
        public LimitExceededException(string message) : base(message) { }

        /// <summary>A limit, in words, with the cause.</summary>
        public LimitExceededException(string message, Exception innerException) : base(message, innerException) { }

        /// <summary>A limit by its name, with what there is, what may be, and where.</summary>
        public LimitExceededException(string limitName, int current, int threshold, object extraInfo)
            : base($"Limit exceeded {limitName} Current={current} Threshold={threshold} {extraInfo}") { }
    }

    /// <summary>An error of the reminder service.</summary>
    [GenerateSerializer]
    public sealed class ReminderException(string message) : OrleansException(message);
}

namespace Orleans.Serialization
{
    /// <summary>A value whose type may not cross a grain call: it is neither a basic type nor marked with <see cref="GenerateSerializerAttribute"/>.</summary>
    [GenerateSerializer]
    public sealed class CodecNotFoundException(string message) : Exception(message);
}

namespace Orleans.Storage
{
    /// <summary>
    /// State was written by someone else since it was read. An activation that lets this escape from a call is deactivated, so that the
    /// next call reads the state anew.
    /// </summary>
    [GenerateSerializer]
    public class InconsistentStateException : OrleansException
    {
        /// <summary>A conflict without words.</summary>
        public InconsistentStateException() { }

        /// <summary>A conflict in words.</summary>
        public InconsistentStateException(string message) : base(message) { }

        /// <summary>A conflict with its cause.</summary>
        public InconsistentStateException(string message, Exception? innerException) : base(message, innerException!) { }

        /// <summary>A conflict between the stored and the presented ETag, with its cause.</summary>
        public InconsistentStateException(string errorMsg, string? storedEtag, string? currentEtag, Exception? storageException)
            : base(errorMsg, storageException!)
        {
            StoredEtag = storedEtag;
            CurrentEtag = currentEtag;
        }

        /// <summary>A conflict between the stored and the presented ETag.</summary>
        public InconsistentStateException(string errorMsg, string? storedEtag, string? currentEtag) : this(errorMsg, storedEtag, currentEtag, null) { }

        /// <summary>True until the activation whose write it was has been deactivated for it: a caller that passes it on stays.</summary>
        [Id(0)]
        internal bool IsSourceActivation { get; set; } = true;

        /// <summary>The ETag found in storage, where it is known.</summary>
        [Id(1)]
        public string? StoredEtag { get; private set; }

        /// <summary>The ETag that the writer held.</summary>
        [Id(2)]
        public string? CurrentEtag { get; private set; }

        /// <inheritdoc/>
        public override string ToString() =>
            $"InconsistentStateException: {Message} Expected Etag={StoredEtag} Received Etag={CurrentEtag} {InnerException}";
    }
}
