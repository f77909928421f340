using Vigil.Metrics.Api;
using Xunit;

namespace Vigil.Metrics.Tests.Api;

public sealed class SampleColumnsTests
{
    [Fact]
    public void Rent_WhatWasReturned_IsEmptyAndHasRoom()
    {
        var pool = new SampleColumnsPool();
        var columns = pool.Rent(2);
        columns.Add(1, 2, 3);
        columns.Add(4, 5, 6);
        pool.Return(columns);
        var again = pool.Rent(3);
        Assert.Same(columns, again);
        Assert.Equal(0, again.Count);
        for (var i = 0; i < 3; i++) again.Add(i, i, i);
        Assert.Equal([0, 1, 2], again.Series[..3]);
        Assert.NotSame(again, pool.Rent(3));
    }

    [Fact]
    public void Return_MoreThanIsKept_GoesToTheCollector()
    {
        const int Quarter = SampleColumnsPool.MostSamples / 4;
        var pool = new SampleColumnsPool();
        var rented = Enumerable.Range(0, 5).Select(_ => pool.Rent(Quarter)).ToArray();
        foreach (var columns in rented) pool.Return(columns);
        Assert.Equal(4, pool.Count);
        pool.Return(pool.Rent(Quarter));
        Assert.Equal(4, pool.Count);
        pool.Return(new SampleColumnsPool().Rent(1));
        Assert.Equal(4, pool.Count);
        pool.Rent(1);
        pool.Return(new SampleColumnsPool().Rent(1));
        Assert.Equal(4, pool.Count);
    }
}
