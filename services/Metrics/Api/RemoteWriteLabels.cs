using System.Text;
using System.Text.Unicode;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Api;

/// <summary>Labels of remote write 1.0.</summary>
internal static class RemoteWriteLabels
{
    /// <summary>Reads one label: name in field 1, value in field 2. False where it is not one.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, List<Label> labels)
    {
        const int Name = 1 << 3 | 2;
        const int Value = 2 << 3 | 2;
        ReadOnlySpan<byte> name = [], value = [];
        var input = new WireReader(bytes);
        while (!input.IsAtEnd)
        {
            if (!input.TryVarint(out var tag)) return false;
            switch (tag)
            {
                case Name when input.TryBytes(out name):
                case Value when input.TryBytes(out value):
                case not (Name or Value) when input.TrySkip((int)(tag & 7)):
                    break;
                default:
                    return false;
            }
        }
        if (!Utf8.IsValid(name) || !Utf8.IsValid(value)) return false;
        labels.Add(new Label(Encoding.UTF8.GetString(name), Encoding.UTF8.GetString(value)));
        return true;
    }
}
