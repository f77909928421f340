namespace Vigil.Metrics.Series;

/// <summary>How the values of a block are stored.</summary>
internal enum ValueCoding
{
    /// <summary>All the same: once, as a double.</summary>
    Same,

    /// <summary>All the same: once, as a whole number of a power of ten.</summary>
    SameDecimal,

    /// <summary>As whole numbers of a power of ten, see <see cref="RiceModel"/>; what is none stands among them as a double.</summary>
    Decimal,

    /// <summary>As XOR with the value before (Pelkonen et al., "Gorilla", VLDB 2015).</summary>
    Xor,
}

/// <summary>How a block is stored, in one byte.</summary>
internal readonly record struct BlockShape(byte Flags)
{
    public BlockShape(bool irregular, ValueCoding values, int decimals = 0) : this((byte)((irregular ? 1 : 0) | ((int)values << 1) | (decimals << 3)))
    {
    }

    /// <summary>Each time is stored. Otherwise all steps are the same.</summary>
    public bool Irregular => (Flags & 1) != 0;

    public ValueCoding Values => (ValueCoding)((Flags >> 1) & 3);

    /// <summary>The power of ten.</summary>
    public int Decimals => (Flags >> 3) & 15;

    /// <summary>All values are the same.</summary>
    public bool IsSame => Values is ValueCoding.Same or ValueCoding.SameDecimal;

    /// <summary>There is something for each sample.</summary>
    public bool HasBody => Irregular || !IsSame;

    /// <summary>A byte that was read means something.</summary>
    public bool IsValid => Flags < 128 && Decimals <= DecimalScale.MaxDecimals;
}
