namespace System.Runtime.CompilerServices;

/// <summary>Known to the runtime by its name: an assembly so marked may use what is internal to the named one.</summary>
[AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
internal sealed class IgnoresAccessChecksToAttribute(string assemblyName) : Attribute
{
    public string AssemblyName { get; } = assemblyName;
}
