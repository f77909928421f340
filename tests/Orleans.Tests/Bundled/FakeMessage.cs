namespace Google.Protobuf;

/// <summary>Stands in for the real one, which is known by its name.</summary>
internal interface IMessage;
