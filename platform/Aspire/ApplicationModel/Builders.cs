namespace Aspire.Hosting.ApplicationModel;

/// <summary>How an annotation is added where one of its type is already there.</summary>
public enum ResourceAnnotationMutationBehavior
{
    /// <summary>Both are kept.</summary>
    Append,
    /// <summary>The new one stands alone.</summary>
    Replace,
}

/// <summary>A resource that is being described; what extension methods chain on.</summary>
public interface IResourceBuilder<out T> where T : IResource
{
    /// <summary>The builder of the whole system.</summary>
    IDistributedApplicationBuilder ApplicationBuilder { get; }

    /// <summary>The resource.</summary>
    T Resource { get; }

    /// <summary>Notes something about the resource.</summary>
    IResourceBuilder<T> WithAnnotation<TAnnotation>(TAnnotation annotation, ResourceAnnotationMutationBehavior behavior = ResourceAnnotationMutationBehavior.Append)
        where TAnnotation : IResourceAnnotation;
}

internal sealed class ResourceBuilder<T>(IDistributedApplicationBuilder applicationBuilder, T resource) : IResourceBuilder<T> where T : IResource
{
    public IDistributedApplicationBuilder ApplicationBuilder => applicationBuilder;

    public T Resource => resource;

    public IResourceBuilder<T> WithAnnotation<TAnnotation>(TAnnotation annotation, ResourceAnnotationMutationBehavior behavior)
        where TAnnotation : IResourceAnnotation
    {
        ArgumentNullException.ThrowIfNull(annotation);
        if (behavior == ResourceAnnotationMutationBehavior.Replace)
            foreach (var old in resource.Annotations.OfType<TAnnotation>().ToArray()) resource.Annotations.Remove(old);
        resource.Annotations.Add(annotation);
        return this;
    }
}
