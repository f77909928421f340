using Orleans.Runtime;

namespace Orleans
{
    /// <summary>A grain interface: its methods are called through a reference and return tasks.</summary>
    public interface IGrain : IAddressable;

    /// <summary>A grain with a <see cref="Guid"/> as key.</summary>
    public interface IGrainWithGuidKey : IGrain;

    /// <summary>A grain with a <see cref="long"/> as key.</summary>
    public interface IGrainWithIntegerKey : IGrain;

    /// <summary>A grain with a string as key.</summary>
    public interface IGrainWithStringKey : IGrain;

    /// <summary>A grain with a <see cref="Guid"/> and a string as key.</summary>
    public interface IGrainWithGuidCompoundKey : IGrain;

    /// <summary>A grain with a <see cref="long"/> and a string as key.</summary>
    public interface IGrainWithIntegerCompoundKey : IGrain;
}

namespace Orleans.Runtime
{
    /// <summary>What can be called through a reference.</summary>
    public interface IAddressable;
}
