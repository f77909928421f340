global using Orleans;
global using Orleans.Runtime;
global using Vigil.Testing;
global using Xunit;
